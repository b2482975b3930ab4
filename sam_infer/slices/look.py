"""A look at one slice under one window: a crop encoded (or recalled), the hints told to the network, its candidates."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array, Float64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import Window
from sam_infer.masks.cleanup2d import fill_holes, largest_component
from sam_infer.networks.backbone import Backbone, Candidates, Features, Hints, downscale_mask, upscale_logits
from sam_infer.networks.frame import Crop, Frame
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.scribble import SURELY_INSIDE, SURELY_OUTSIDE
from sam_infer.slices.rank import Ranking, Shown, ranked
from sam_infer.slices.round_prior import rounded

# A prior mask enters as confident logits; a network's own previous logits enter as they are.
PRIOR_LOGIT = 6.0

# Outside a crop nothing was looked at: surely background.
OUTSIDE_LOGIT = -20.0


@dataclass
class Clock:
    """Seconds spent per stage of one prediction."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True, eq=False)
class FrameAnswer:
    """What a network said about one frame of a slice."""

    frame: Frame
    candidates: Candidates  # low resolution
    window: Window
    before: FrameAnswer | None = None  # a first look, whose other candidates are still offered

    def logits(self, view: SliceView, number: int | None = None) -> Float32Array:
        """Logits (H, W) of one candidate, by default of the preferred one."""
        chosen = self.candidates.preferred if number is None else number
        if self.before is not None and chosen != self.candidates.preferred:
            return self.before.logits(view, chosen)
        return full_logits(self.candidates.logits[chosen], self.frame, view)

    def averaged(self, other: FrameAnswer) -> FrameAnswer:
        """The same with the mean of both answers to the same frame as the preferred one."""
        mine, logits = self.candidates, self.candidates.logits.copy()
        logits[mine.preferred] = (mine.logits[mine.preferred] + other.candidates.logits[other.candidates.preferred]) / 2
        return replace(self, candidates=replace(mine, logits=logits))

    def after(self, first: FrameAnswer, view: SliceView, low_res: int) -> FrameAnswer:
        """This closer look in the place of the candidate that it was taken at; the others are those of the `first`."""
        number, kept = first.candidates.preferred, first.candidates
        logits, scores = kept.logits.copy(), kept.scores.copy()
        if first.frame != self.frame:
            for other in range(len(logits)):
                logits[other] = downscale_mask(self.frame.cut(first.logits(view, other)), self.frame, low_res)
        logits[number] = self.candidates.logits[self.candidates.preferred]
        scores[number] = self.candidates.scores[self.candidates.preferred]
        return replace(self, candidates=Candidates(logits, scores, number), before=first)


# What is known of the object before the hints are asked: logits (H, W) of the slice, or an earlier answer.
Prior = Float32Array | FrameAnswer


@dataclass(frozen=True, eq=False)
class Look:
    """One slice under one window during one prediction."""

    backbone: Backbone
    encoded: Callable[[SliceView, Window, Frame], Features]
    volume: Volume
    view: SliceView
    window: Window
    clock: Clock
    ranking: Ranking | None = (
        None  # how to choose among the candidates of a single click; None leaves it to the network
    )

    def decode(self, crop: Crop, here: Prompts, prior: Prior | None, passes: int = 1) -> FrameAnswer:
        """Encode (or recall) a crop and answer the hints; further `passes` see the mask of the one before."""
        frame = self.backbone.frame(crop, self.view.pixel_mm)
        with self.clock.stage("encode"):
            features = self.encoded(self.view, self.window, frame)
        with self.clock.stage("decode"):
            hints = hints_of(here, self.view, frame)
            if prior is not None:
                hints = replace(hints, mask_logits=self._low_res(prior, frame))
            candidates = self.backbone.decode(features, hints)
            if self.ranking is not None and hints.is_ambiguous:
                candidates = replace(candidates, preferred=self._best(self.ranking, candidates, frame, hints))
            for _ in range(passes - 1):
                best = candidates.logits[candidates.preferred]
                candidates = self.backbone.decode(features, replace(hints, mask_logits=best))
            round_prior = self.backbone.prompting.round_prior
            if round_prior is not None and hints.is_box_alone:
                candidates = rounded(candidates, hints, frame, round_prior)
        return FrameAnswer(frame, candidates, self.window)

    def _low_res(self, prior: Prior, frame: Frame) -> Float32Array:
        """The prior as the network takes masks: an answer to the same frame unchanged, all else resampled."""
        if isinstance(prior, FrameAnswer):
            if prior.frame == frame:
                same: Float32Array = prior.candidates.logits[prior.candidates.preferred]
                return same
            prior = prior.logits(self.view)
        return downscale_mask(frame.cut(prior), frame, self.backbone.low_res)

    def _best(self, ranking: Ranking, candidates: Candidates, frame: Frame, hints: Hints) -> int:
        pixels = self.window.apply(self.volume.pixels(self.view))
        return ranked(candidates, Shown.of(pixels, frame, hints, self.view.pixel_mm, self.backbone.low_res), ranking)


def hints_of(here: Prompts, view: SliceView, frame: Frame) -> Hints:
    """Prompts of a slice in the pixels of a frame."""
    points = frame.points_to_model(view.to_display(here.points)) if len(here.points) else np.zeros((0, 2), np.float32)
    box = frame.box_to_model(*box_corners(here, view)) if here.box is not None else None
    return Hints(points, here.labels, box)


def box_corners(here: Prompts, view: SliceView) -> tuple[Float64Array, Float64Array]:
    """Inclusive corners (row, column) of the box as displayed."""
    if here.box is None:
        raise PromptError("there is no box", "roi")
    corners = view.to_display(np.stack([here.box.low, here.box.high]))
    return corners.min(axis=0), corners.max(axis=0)


def prior_logits(here: Prompts, view: SliceView) -> Float32Array | None:
    """The prior mask of the prompts as logits (H, W); None where it says nothing."""
    if here.mask is None:
        return None
    inside = repainted(view.extract(here.mask.array) > 0, here, view)
    return np.where(inside, PRIOR_LOGIT, -PRIOR_LOGIT).astype(np.float32) if inside.any() else None


def target_grey(volume: Volume, here: Prompts, view: SliceView) -> float | None:
    """Typical intensity of what the hints point at: clicks first, else the middle of the box, else the prior."""
    if volume.is_colour:
        return None
    pixels = volume.pixels(view)
    if len(here.positive):
        spots = view.to_display(here.positive).astype(int)
        around = [pixels[max(r - 1, 0) : r + 2, max(c - 1, 0) : c + 2].ravel() for r, c in spots]
        return float(np.median(np.concatenate(around)))
    if here.box is not None:
        low, high = box_corners(here, view)
        quarter = (high - low) / 4
        (r0, c0), (r1, c1) = (low + quarter).astype(int), (high - quarter).astype(int)
        return float(np.median(pixels[r0 : r1 + 1, c0 : c1 + 1]))
    inside = here.mask is not None and view.extract(here.mask.array) > 0
    return float(np.median(pixels[inside])) if np.any(inside) else None


def full_logits(logits: Float32Array, frame: Frame, view: SliceView) -> Float32Array:
    """Low-resolution logits of a frame on the slice (H, W)."""
    return frame.paste(upscale_logits(logits[None], frame)[0], (view.height, view.width), OUTSIDE_LOGIT)


def repainted(mask: BoolArray, here: Prompts, view: SliceView) -> BoolArray:
    """A mask that keeps what the reader's brush promised."""
    if here.painted is None:
        return mask
    stroke = view.extract(here.painted.array)
    return np.asarray((mask | (stroke == SURELY_INSIDE)) & (stroke != SURELY_OUTSIDE))


def cleaned(mask: BoolArray, here: Prompts, view: SliceView, largest: bool, holes: bool) -> BoolArray:
    """A mask (H, W) as the reader asked to have it: its `largest` part only, or without `holes`."""
    points = view.to_display(here.points).astype(np.int64)
    if largest:
        mask = largest_component(mask, points[here.labels == 1])
    if holes:
        mask = fill_holes(mask, points[here.labels == 0])
    return repainted(mask, here, view)
