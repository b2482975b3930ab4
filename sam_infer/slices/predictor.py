"""Slice predictor: prompts in, mask out, on one slice; same arguments, same answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array, Float64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.imaging.window import Window, choose_window
from sam_infer.masks.cleanup2d import fill_holes, largest_component, stability
from sam_infer.networks.backbone import Backbone, Candidates, Features, Hints, downscale_mask, upscale_logits
from sam_infer.networks.frame import Crop, Frame, whole
from sam_infer.networks.semantic_head import SemanticHead
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.scribble import SURELY_INSIDE, SURELY_OUTSIDE
from sam_infer.slices.crop import ZoomPolicy, crop_around, extent_of, steady_crop
from sam_infer.slices.embedding_cache import EmbeddingCache, EmbeddingKey
from sam_infer.slices.slice_stack import slice_stack

# A prior mask enters as confident logits; a network's own previous logits enter as they are.
PRIOR_LOGIT = 6.0

# Outside a crop nothing was looked at: surely background.
OUTSIDE_LOGIT = -20.0

CLIENT_CANDIDATES = 3

# What answers say about a network as it was published.
NO_ADAPTER = "none"


@dataclass(frozen=True)
class Options:
    """How a slice is looked at and what is done to the answer."""

    window: str = "auto"
    zoom: ZoomPolicy | None = field(default_factory=ZoomPolicy)  # None never zooms
    candidate: int | None = None  # None is the network's own choice, 0..2 another of its masks
    keep_largest: bool = False
    fill_holes: bool = False

    def __post_init__(self) -> None:
        if self.candidate is not None and self.candidate not in range(CLIENT_CANDIDATES):
            raise PromptError(f"candidate must be 0, 1 or 2, got {self.candidate!r}", "candidate")


@dataclass(frozen=True, eq=False)
class Prediction:
    """One object on one slice, with what is needed to answer a client and to measure doubt."""

    view: SliceView
    frame: Frame
    candidates: Candidates  # low resolution
    chosen: int
    logits: Float32Array  # (H, W) of the chosen mask, display orientation
    pixels: BoolArray  # (H, W) the mask after clean-up
    window: Window
    seconds: dict[str, float]  # per stage

    @property
    def score(self) -> float:
        """The network's estimate of the IoU of its answer."""
        return float(self.candidates.scores[self.chosen])

    @property
    def stability(self) -> float:
        """How little the mask depends on the threshold."""
        return stability(self.logits)

    def candidate_logits(self, number: int) -> Float32Array:
        """Logits (H, W) of one of the candidates."""
        return _full_logits(self.candidates.logits[number], self.frame, self.view)

    def mask(self, geometry_of: Volume) -> Mask:
        """The answer as a mask of the whole image."""
        array = Mask.empty(geometry_of.geometry).array
        self.view.insert(array, self.pixels.astype(np.uint8))
        along_k = self.view.axis == 2
        return Mask(array, geometry_of.geometry, (self.view.index, self.view.index + 1) if along_k else None)


@dataclass(frozen=True)
class Predictor:
    """A backbone and a cache; holds nothing about readers or requests."""

    backbone: Backbone
    cache: EmbeddingCache
    adapter: str = NO_ADAPTER  # id of the adapter that is merged into the backbone
    note: str = ""  # what a reader should know about this network, e.g. that its adapter could not be used
    semantic: SemanticHead | None = None  # answers without hints; comes with an adapter

    def predict(self, volume: Volume, prompts: Prompts, index: int, options: Options | None = None) -> Prediction:
        """The object meant by the hints on slice `index`."""
        options = options or Options()
        here = prompts.checked(volume.geometry).on_slice(index)
        if here.is_empty:
            raise PromptError(f"no point, box or mask lies on slice {index}", "points")
        if not len(here.positive) and here.box is None and here.mask is None:
            raise PromptError("there are only background points: add a foreground point or a box", "foreground")
        clock = _Clock()
        view = volume.view(here.axis, index)
        look = _Look(self, volume, view, choose_window(volume, options.window, _target(volume, here, view)), clock)
        frame, candidates = self._zoomed(look, here, options.zoom)
        with clock.stage("post"):
            chosen = candidates.preferred if options.candidate is None else options.candidate
            logits = _full_logits(candidates.logits[chosen], frame, view)
            pixels = _clean(logits > 0, here, view, options)
        return Prediction(view, frame, candidates, chosen, logits, pixels, look.window, clock.seconds)

    def features(self, volume: Volume, view: SliceView, window: Window, frame: Frame) -> Features:
        """Encoded frame, from the cache when it was seen before."""
        key = self._key(volume, view, window, frame)
        return self.cache.get(key, lambda: self._encode(volume, view, window, frame))

    def prepare(self, volume: Volume, axis: int, index: int, window: Window) -> bool:
        """Encode a whole slice ahead of the first click on it; whether it was not known yet."""
        view = volume.view(axis, index)
        frame = self.backbone.frame(whole(view.height, view.width), view.pixel_mm)
        known = self.cache.contains(self._key(volume, view, window, frame))
        if not known:
            self.features(volume, view, window, frame)
        return not known

    def _key(self, volume: Volume, view: SliceView, window: Window, frame: Frame) -> EmbeddingKey:
        network = self.backbone
        shown = (window.key, frame.crop.key, frame.input_size)
        return EmbeddingKey(volume.digest, view.axis, view.index, *shown, network.encoder_id, network.depth)

    def _encode(self, volume: Volume, view: SliceView, window: Window, frame: Frame) -> Features:
        return self.backbone.encode(slice_stack(volume, view, window, frame, self.backbone.depth))

    def _zoomed(self, look: _Look, here: Prompts, policy: ZoomPolicy | None) -> tuple[Frame, Candidates]:
        """The answer on the crop that suits the object: a box says which, points ask the whole slice first."""
        shape = (look.view.height, look.view.width)
        prior = _prior_logits(here, look.view)
        if policy is not None and here.box is not None:
            low, high = _box_corners(here, look.view)
            crop = crop_around(low, high, shape, look.view.pixel_mm, policy)
            if crop is not None:
                return look.decode(crop, here, prior)
        frame, candidates = look.decode(whole(*shape), here, prior)
        if policy is None or here.box is not None or (here.mask is None and len(here.points) < policy.least_points):
            return frame, candidates
        seen = _full_logits(candidates.logits[candidates.preferred], frame, look.view)
        extent = extent_of(seen > 0, look.view.to_display(here.positive))
        crop = steady_crop(*extent, shape, look.view.pixel_mm, policy) if extent is not None else None
        return (frame, candidates) if crop is None else look.decode(crop, here, seen)


@dataclass
class _Clock:
    """Seconds spent per stage of one prediction."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class _Look:
    """One slice under one window during one prediction."""

    predictor: Predictor
    volume: Volume
    view: SliceView
    window: Window
    clock: _Clock

    def decode(self, crop: Crop, here: Prompts, prior: Float32Array | None) -> tuple[Frame, Candidates]:
        """Encode (or recall) a crop and answer the hints, feeding the mask back as often as the backbone likes."""
        backbone = self.predictor.backbone
        frame = backbone.frame(crop, self.view.pixel_mm)
        with self.clock.stage("encode"):
            features = self.predictor.features(self.volume, self.view, self.window, frame)
        with self.clock.stage("decode"):
            hints = _hints(here, self.view, frame)
            if prior is not None:
                hints = replace(hints, mask_logits=downscale_mask(frame.cut(prior), frame, backbone.low_res))
            candidates = backbone.decode(features, hints)
            for _ in range(backbone.refine_passes - 1):
                best = candidates.logits[candidates.preferred]
                candidates = backbone.decode(features, replace(hints, mask_logits=best))
        return frame, candidates


def _hints(here: Prompts, view: SliceView, frame: Frame) -> Hints:
    points = frame.points_to_model(view.to_display(here.points)) if len(here.points) else np.zeros((0, 2), np.float32)
    box = frame.box_to_model(*_box_corners(here, view)) if here.box is not None else None
    return Hints(points, here.labels, box)


def _box_corners(here: Prompts, view: SliceView) -> tuple[Float64Array, Float64Array]:
    if here.box is None:
        raise PromptError("there is no box", "roi")
    corners = view.to_display(np.stack([here.box.low, here.box.high]))
    return corners.min(axis=0), corners.max(axis=0)


def _prior_logits(here: Prompts, view: SliceView) -> Float32Array | None:
    if here.mask is None:
        return None
    inside = _repainted(view.extract(here.mask.array) > 0, here, view)
    return np.where(inside, PRIOR_LOGIT, -PRIOR_LOGIT).astype(np.float32) if inside.any() else None


def _target(volume: Volume, here: Prompts, view: SliceView) -> float | None:
    """Typical intensity of what the hints point at: clicks first, else the middle of the box, else the prior."""
    if volume.is_colour:
        return None
    pixels = volume.pixels(view)
    if len(here.positive):
        spots = view.to_display(here.positive).astype(int)
        around = [pixels[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].ravel() for r, c in spots]
        return float(np.median(np.concatenate(around)))
    if here.box is not None:
        low, high = _box_corners(here, view)
        quarter = (high - low) / 4
        (r0, c0), (r1, c1) = (low + quarter).astype(int), (high - quarter).astype(int)
        return float(np.median(pixels[r0 : r1 + 1, c0 : c1 + 1]))
    inside = here.mask is not None and view.extract(here.mask.array) > 0
    return float(np.median(pixels[inside])) if np.any(inside) else None


def _full_logits(logits: Float32Array, frame: Frame, view: SliceView) -> Float32Array:
    return frame.paste(upscale_logits(logits[None], frame)[0], (view.height, view.width), OUTSIDE_LOGIT)


def _clean(mask: BoolArray, here: Prompts, view: SliceView, options: Options) -> BoolArray:
    points = view.to_display(here.points).astype(np.int64)
    if options.keep_largest:
        mask = largest_component(mask, points[here.labels == 1])
    if options.fill_holes:
        mask = fill_holes(mask, points[here.labels == 0])
    return _repainted(mask, here, view)


def _repainted(mask: BoolArray, here: Prompts, view: SliceView) -> BoolArray:
    """A mask that keeps what the reader's brush promised."""
    if here.painted is None:
        return mask
    stroke = view.extract(here.painted.array)
    return np.asarray((mask | (stroke == SURELY_INSIDE)) & (stroke != SURELY_OUTSIDE))
