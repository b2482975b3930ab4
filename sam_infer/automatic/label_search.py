"""Automatic label search in a volume: masks per label and slice, prompted by where each label is expected.

Where a label is expected comes as an argument: a warped atlas, a coarse map. Its box and its mask are the prompt, and
the network draws the edge. A drawing that left its expectation is dropped: it shows something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.imaging.window import choose_window
from sam_infer.job import Job
from sam_infer.lru_cache import LruCache
from sam_infer.prompts.object_prompts import Box
from sam_infer.propagation.limit import inside
from sam_infer.propagation.slice_result import SliceAnswer
from sam_infer.propagation.step import Follower, FollowPolicy
from sam_infer.slices.crop import ZoomPolicy
from sam_infer.slices.predictor import Predictor

if TYPE_CHECKING:  # modes are made of searches
    from sam_infer.automatic.best import Chosen

Drawings = dict[int, dict[int, SliceAnswer]]  # by value, by slice

MAX_LABELS = 255

# Below this overlap with what was expected, or this predicted IoU, a drawing shows something else.
LEAST_OVERLAP, LEAST_SCORE = 0.25, 0.3

# Fragments smaller than this are leftovers of a warp.
FEWEST_PIXELS = 8


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Values 1..n on the grid of the image, how sure the network is of each label, and what a reader should know."""

    mask: Mask
    scores: Mapping[str, float]  # mean predicted quality of the labels that were found
    notes: tuple[str, ...] = ()
    whole: bool = True  # False: called off, and this is what was found until then
    chosen: Mapping[str, Chosen] = field(default_factory=dict)  # mode `best`: how each label was looked for, `Chosen`


@dataclass(frozen=True, eq=False)
class LabelSearch:
    """One automatic request under way: slices across `axis`, and the labels looked for, values from 1."""

    predictor: Predictor
    volume: Volume
    axis: int
    slices: range
    labels: tuple[str, ...]
    window: str = "auto"
    limit: Box | None = None
    job: Job = field(default_factory=Job)
    memo: LruCache = field(default_factory=LruCache)

    def __post_init__(self) -> None:
        if not 1 <= len(self.labels) <= MAX_LABELS:
            raise PromptError(f"between 1 and {MAX_LABELS} labels can be looked for, got {len(self.labels)}", "labels")
        if self.limit is not None:
            low, high = int(self.limit.low[self.axis]), int(self.limit.high[self.axis])
            kept = range(max(self.slices.start, low), min(self.slices.stop, high + 1))
            if not kept:
                raise PromptError(f"the roi has none of the slices {self.slices.start}..{self.slices.stop - 1}", "roi")
            object.__setattr__(self, "slices", kept)

    def view(self, index: int) -> SliceView:
        """One of the slices."""
        return self.volume.view(self.axis, index)

    def allowed(self, view: SliceView) -> BoolArray:
        """Pixels (H, W) inside the limit."""
        return inside(self.limit, view)

    def draw(self, expected: Mask, passes: int = 1) -> LabelMap:
        """Every label where it is expected on the slices; with more passes a drawing is the prompt of the next."""
        drawn: Drawings = {}
        drawings = self.job.kept(self._drawings(expected, passes))
        for value, index, answer in drawings:
            drawn.setdefault(value, {})[index] = answer
        return replace(self.settled(drawn), whole=drawings.whole)

    def _drawings(self, expected: Mask, passes: int) -> Iterator[tuple[int, int, SliceAnswer]]:
        """Value, slice and mask of every label where it is expected and found."""
        self.job.expected(passes * sum(self._shown(expected, index) for index in self.slices))
        for value in range(1, len(self.labels) + 1):
            here = expected.array == value
            if not here.any():
                continue
            follower = self._follower(here)
            for index in self.slices:
                view = self.view(index)
                prior = view.extract(here) & self.allowed(view)
                answer = self._drawn(follower, index, prior, passes) if prior.sum() >= FEWEST_PIXELS else None
                if answer is not None:
                    yield value, index, answer

    def _shown(self, expected: Mask, index: int) -> int:
        """How many labels are expected on a slice."""
        counts = np.bincount(self.view(index).extract(expected.array).ravel(), minlength=len(self.labels) + 1)
        return int(np.count_nonzero(counts[1 : len(self.labels) + 1]))

    def _drawn(self, follower: Follower, index: int, prior: BoolArray, passes: int) -> SliceAnswer | None:
        """One label on one slice; None where what was drawn is something else."""
        allowed, before, answer = self.allowed(self.view(index)), prior, None
        for _ in range(passes):
            asked = before
            answer = self.job.slice(lambda: follower.step(index, asked, allowed))  # noqa: B023 - called at once
            before = answer.pixels
            union = int((before | prior).sum())
            if answer.score < LEAST_SCORE or int((before & prior).sum()) < LEAST_OVERLAP * union:
                return None
        return answer

    def _follower(self, here: BoolArray) -> Follower:
        """Looks through the window that shows a label's own intensities."""
        target = None if self.volume.is_colour else float(np.median(self.volume.array[here]))
        window = choose_window(self.volume, self.window, target)
        return Follower(self.predictor, self.volume, self.axis, window, ZoomPolicy(), FollowPolicy())

    @cached_property
    def empty(self) -> LabelMap:
        """What is left where nothing was found."""
        return LabelMap(Mask.empty(self.volume.geometry), {}, ("nothing was found: the mask is empty",))

    def settled(self, drawn: Drawings) -> LabelMap:
        """One label map of all drawings: a contested pixel goes to the surer one."""
        if not any(answer.patch.pixels.any() for answers in drawn.values() for answer in answers.values()):
            return self.empty
        mask = Mask.empty(self.volume.geometry)
        for index in sorted({k for answers in drawn.values() for k in answers}):
            here = {value: answers[index] for value, answers in drawn.items() if index in answers}
            view = self.view(index)
            view.insert(mask.array, _values(here, view))
        scores = {self.labels[value - 1]: _score(answers) for value, answers in sorted(drawn.items())}
        return LabelMap(mask, scores, self.missing(scores))

    def missing(self, found: Mapping[str, float]) -> tuple[str, ...]:
        """A sentence about labels that were not found."""
        names = [name for name in self.labels if name not in found]
        return (f"not found: {', '.join(names)}",) if names else ()


def _values(here: Mapping[int, SliceAnswer], view: SliceView) -> UInt8Array:
    values = np.zeros((view.height, view.width), np.uint8)
    if len(here) == 1:
        ((value, answer),) = here.items()
        values[answer.pixels] = value
        return values
    best = np.full(values.shape, -np.inf, np.float32)
    for value, answer in here.items():
        sure = np.where(answer.pixels, answer.logits * np.float32(answer.score), np.float32(-np.inf))
        values[sure > best] = value
        best = np.maximum(best, sure)
    return values


def _score(answers: Mapping[int, SliceAnswer]) -> float:
    areas = [int(answer.patch.pixels.sum()) + 1e-6 for answer in answers.values()]
    return float(np.average([answer.score for answer in answers.values()], weights=areas))
