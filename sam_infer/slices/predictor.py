"""Slice predictor: prompts in, mask out, on one slice; same arguments, same answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Tags, Volume
from sam_infer.imaging.window import Window, choose_window
from sam_infer.lru_cache import LruCache
from sam_infer.masks.cleanup2d import stability
from sam_infer.masks.overlap import overlap
from sam_infer.networks.backbone import Backbone, Candidates, Features
from sam_infer.networks.frame import Crop, Frame, whole
from sam_infer.networks.naming.label_namer import LabelNamer
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.by_tag import ByTag, part_for
from sam_infer.slices.crop import ZoomPolicy, crop_around, extent_of, steady_crop
from sam_infer.slices.embedding_cache import EmbeddingCache, EmbeddingKey
from sam_infer.slices.look import (
    PRIOR_LOGIT,
    Clock,
    FrameAnswer,
    Look,
    box_corners,
    cleaned,
    prior_logits,
    target_grey,
)
from sam_infer.slices.rank import Ranking
from sam_infer.slices.refiner import ALONE, Guess, Refiner, laid_over
from sam_infer.slices.replay import Replayed, renamed, stage_key, stages
from sam_infer.slices.slice_stack import slice_stack
from sam_infer.slices.thin_structure import is_thin, thin_structure
from sam_infer.weights.prompting import Ranker

CLIENT_CANDIDATES = 3

# What answers say about a network as it was published.
NO_ADAPTER = "none"

# Further looks may move the edge of what a click was understood to mean; below this Dice they show something else.
STILL_MEANT = 0.6

# A look that sees as good as what the one before saw is the last one: a further one would see the same.
SAME = 0.95

# Fewer clicks are not thought of twice.
SEVERAL = 2

# All of an answer counts, wherever it was clicked.
NO_CLICKS = np.zeros((0, 2))

# What later requests may go on from: answers, of SAM a megabyte each, and runs over slices with the bytes they take.
REPLAYED, RUNS, RUNS_BYTES = 64, 64, 256 << 20


@dataclass(frozen=True)
class Options:
    """How a slice is looked at and what is done to the answer."""

    window: str = "auto"
    zoom: ZoomPolicy | None = field(default_factory=ZoomPolicy)  # None never zooms
    candidate: int | None = None  # None is the network's own choice, 0..2 another of its masks
    keep_largest: bool = False
    fill_holes: bool = False
    label: str = ""  # what is segmented: known sizes of it help to choose what one click means

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
    first: FrameAnswer | None = None  # what closer looks started from
    by_ridges: bool = False  # the label's name says that it is thin: found in the picture, without the network
    share: float = ALONE  # of the network's logits, where what was learned meanwhile was laid over them

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
        return FrameAnswer(self.frame, self.candidates, self.window, self.first).logits(self.view, number)

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
    semantic: LabelNamer | None = None  # answers without hints; comes with an adapter
    named_why: str = ""  # why the gate chose this one of the two that an adapter was trained with
    ranker: Ranker | None = field(default=None, compare=False)  # calibrated on accepted labels, else the network's own
    model_why: str = field(default="", compare=False)  # why this model answers and not the main one; see `by_label.py`
    tag: str = ""  # of the images that the backbone is made for
    by_tag: ByTag | None = field(default=None, compare=False, repr=False)  # what its adapter holds for one tag each
    refiner: Refiner | None = field(default=None, compare=False)  # what accepted labels taught since the adapter
    replayed: LruCache = field(default_factory=partial(LruCache, REPLAYED), compare=False, repr=False)
    runs: LruCache = field(
        default_factory=partial(LruCache, RUNS, lambda run: run.weight, RUNS_BYTES), compare=False, repr=False
    )

    @property
    def known_as(self) -> str:
        """The weights that whatever was found out about this network is kept under: the same for every tag."""
        return (self.backbone if self.by_tag is None else self.by_tag.shared).weights_id

    def about(self, tags: Callable[[], Tags], named: str = "") -> Predictor:
        """The predictor for an image with these tags, one of which somebody may have named; see `by_tag.py`."""
        part = part_for(self.by_tag, tags, named)
        return self if part is None else replace(self, backbone=part.backbone, tag=part.tag, note=part.note)

    def predict(self, volume: Volume, prompts: Prompts, index: int, options: Options | None = None) -> Prediction:
        """The object meant by the hints on slice `index`."""
        options = options or Options()
        here = prompts.checked(volume.geometry).on_slice(index)
        if here.is_empty:
            raise PromptError(f"no point, box or mask lies on slice {index}", "points")
        if not len(here.positive) and here.box is None and here.mask is None:
            raise PromptError("there are only background points: add a foreground point or a box", "foreground")
        clock, view = Clock(), volume.view(here.axis, index)
        slice_ = _Asked(self, volume, view, options, clock)
        seen = slice_.in_turn(here) if self.backbone.prompting.feeds_back else slice_.at_once(here)
        with clock.stage("post"):
            chosen = seen.candidates.preferred if options.candidate is None else options.candidate
            thin = slice_.thin(here, seen.window) if options.candidate is None else None
            logits = seen.logits(view, chosen) if thin is None else thin
            asked = self.refiner if thin is None and options.candidate is None else None
            laid = laid_over(asked, Guess(options.label, volume, view, seen, logits), here)
            pixels = cleaned(laid.logits > 0, here, view, options.keep_largest, options.fill_holes)
        about = (seen.frame, laid.candidates, chosen, laid.logits, pixels, seen.window, clock.seconds)
        return Prediction(view, *about, seen.before, by_ridges=thin is not None, share=laid.share)

    def features(self, volume: Volume, view: SliceView, window: Window, frame: Frame) -> Features:
        """Encoded frame, from the cache when it was seen before."""
        key, network = self._key(volume, view, window, frame), self.backbone
        return self.cache.get(key, lambda: network.encode(slice_stack(volume, view, window, frame, network.depth)))

    def prepare(self, volume: Volume, axis: int, index: int, window: Window) -> bool:
        """Encode a whole slice ahead of the first click on it; whether it was not known yet."""
        view = volume.view(axis, index)
        frame = self.backbone.frame(whole(view.height, view.width), view.pixel_mm)
        known = self.cache.contains(self._key(volume, view, window, frame))
        if not known:
            self.features(volume, view, window, frame)
        return not known

    def rename(self, image: str, digest: str | None) -> None:
        """What is known of an image that was being read is known by its digest now; None: it is forgotten."""
        self.cache.rename(image, digest)
        self.replayed.rekey(lambda key: renamed(key, image, digest))

    def _key(self, volume: Volume, view: SliceView, window: Window, frame: Frame) -> EmbeddingKey:
        network = self.backbone
        shown = (window.key, frame.crop.key, frame.input_size)
        return EmbeddingKey(volume.cache_name, view.axis, view.index, *shown, network.encoder_id, network.depth)


@dataclass(frozen=True, eq=False)
class _Asked:
    """One slice during one prediction."""

    predictor: Predictor
    volume: Volume
    view: SliceView
    options: Options
    clock: Clock

    def at_once(self, here: Prompts) -> FrameAnswer:
        """All hints together, on the crop that suits the object: a box says which, points ask the whole slice first."""
        look, prior, policy = self._look(here), prior_logits(here, self.view), self.options.zoom
        if here.box is not None:
            passes = 1 if len(here.points) else self.predictor.backbone.prompting.box_passes
            return look.decode(self._boxed(here), here, prior, passes)
        seen = look.decode(self._whole(), here, prior)
        if len(here.points) == 1 and here.mask is None:
            return self._again(seen, here)
        if policy is None or (here.mask is None and len(here.points) < policy.least_points):
            return seen
        logits = seen.logits(self.view)
        crop = self._around(logits, here, policy)
        return seen if crop is None else look.decode(crop, here, logits)

    def thin(self, here: Prompts, window: Window) -> Float32Array | None:
        """Ridges in a box as logits (H, W) where the label is thin by its name; None where that is no answer."""
        if here.box is None or here.mask is not None or not is_thin(self.options.label):
            return None
        shown, box = window.apply(self.volume.pixels(self.view)), np.stack(box_corners(here, self.view))
        points = self.view.to_display(here.points).astype(np.int64).reshape(-1, 2)
        found = thin_structure(shown, box.astype(np.int64), points, here.labels)
        return None if found is None else np.where(found, PRIOR_LOGIT, -PRIOR_LOGIT).astype(np.float32)

    def _again(self, first: FrameAnswer, here: Prompts) -> FrameAnswer:
        """Further looks at what a single click was understood to mean: the box of an answer is asked with it."""
        prompting, seen, meant = self.predictor.backbone.prompting, first, first.logits(self.view) > 0
        found = meant
        for _ in range(prompting.looks_again):
            corners = extent_of(found, NO_CLICKS)
            if corners is None:
                return first
            boxed = replace(here, box=Box.of(*self.view.to_stored(np.stack(corners))))
            crop = self._boxed(boxed) if prompting.looks_closer else self._whole()
            seen, before = self._look(here).decode(crop, boxed, seen), found
            found = seen.logits(self.view) > 0
            if overlap(found, before) >= SAME:
                break
        if seen is first or overlap(found, meant) < STILL_MEANT:
            return first
        return seen.after(first, self.view, self.predictor.backbone.low_res)

    def in_turn(self, here: Prompts) -> FrameAnswer:
        """One turn after the other, each told the answer to those before it."""
        prior, asked = prior_logits(here, self.view), stages(here)
        network, said = self.predictor.backbone, (self.options.window, self.options.zoom, self.options.label)
        ranker = self.predictor.ranker
        about = (network.weights_id, network.encoder_id, ranker and ranker.key, *said)

        def answer(number: int) -> FrameAnswer:
            stage = asked[number]
            before = (lambda: answer(number - 1)) if number else None
            key = Replayed(self.volume.cache_name, (about, stage_key(stage, self.view, prior)))
            return self.predictor.replayed.get(key, lambda: self._next(stage, before() if before else prior))

        return answer(len(asked) - 1)

    def _next(self, stage: Prompts, before: FrameAnswer | Float32Array | None) -> FrameAnswer:
        """One decode: what was answered before says where to look, and is where the network goes on from."""
        if before is None or not len(stage.points):
            return self.at_once(stage)
        policy, crop = self.options.zoom, None
        if stage.box is not None:
            crop = self._boxed(stage)
        elif policy is not None and len(stage.points) >= policy.least_points:
            logits = before.logits(self.view) if isinstance(before, FrameAnswer) else before
            crop = self._around(logits, stage, policy)
        look, crop = self._look(stage), crop or self._whole()
        seen = look.decode(crop, stage, before)
        if not self.predictor.backbone.prompting.thinks_twice or len(stage.points) < SEVERAL:
            return seen
        return look.decode(crop, stage, seen).averaged(seen)

    def _look(self, here: Prompts) -> Look:
        network, volume = self.predictor.backbone, self.volume
        window = choose_window(volume, self.options.window, target_grey(volume, here, self.view))
        ranker = self.predictor.ranker or network.prompting.ranker
        ranking = Ranking(ranker, self.options.label) if ranker is not None else None
        encoded = partial(self.predictor.features, volume)
        return Look(network, encoded, volume, self.view, window, self.clock, ranking)

    def _whole(self) -> Crop:
        return whole(self.view.height, self.view.width)

    def _boxed(self, here: Prompts) -> Crop:
        """The crop that suits a box."""
        policy = self.options.zoom
        if policy is None:
            return self._whole()
        shape = (self.view.height, self.view.width)
        return crop_around(*box_corners(here, self.view), shape, self.view.pixel_mm, policy) or self._whole()

    def _around(self, logits: Float32Array, here: Prompts, policy: ZoomPolicy) -> Crop | None:
        """The crop that suits what was found (H, W) and the clicks on it."""
        extent = extent_of(logits > 0, self.view.to_display(here.positive))
        shape = (self.view.height, self.view.width)
        return steady_crop(*extent, shape, self.view.pixel_mm, policy) if extent is not None else None
