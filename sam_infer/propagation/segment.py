"""3D segmentation of one object: prompts on a few slices, propagation both ways until the object ends.

Every prompted slice is answered alone, as in 2D. From there masks are followed both ways: a tracker says where the
object of a slice lies on the next one, the promptable network is asked about just that, and both decide, until the
object ends. Between two prompted slices both runs cover the gap and are blended, each weighted by how near it started.

A slice with background points only is a correction: it is asked again with the mask that arrived there and those
points. What arrived is computed as if there were no other correction, so a correction changes slices up to the next
prompted one on either side and not a voxel beyond.

Same arguments, same answer; nothing is remembered but embeddings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import Window
from sam_infer.job import Job
from sam_infer.masks.cleanup3d import Consistency
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.end_rule import Ending, EndPolicy
from sam_infer.propagation.result import VolumePrediction
from sam_infer.propagation.slice_result import SliceAnswer, blended
from sam_infer.propagation.step import Follower, FollowPolicy
from sam_infer.propagation.tracker import SUREST, Section, Tracker, grey_of
from sam_infer.slices.predictor import Options, Prediction, Predictor

# What this way of following an object is called; see `engine.py` for others.
TRACKER = "tracker"

# How much the tracker's logits count against the promptable network's.
TRACKER_SHARE = 0.8

Answers = dict[int, SliceAnswer]


@dataclass(frozen=True)
class VolumeOptions:
    """How prompted slices are answered, how masks are followed, and when to stop."""

    slice: Options = field(default_factory=Options)
    follow: FollowPolicy = field(default_factory=FollowPolicy)
    end: EndPolicy = field(default_factory=EndPolicy)
    consistency: Consistency = field(default_factory=Consistency)
    engine: str = TRACKER  # who follows the object


def segment_volume(
    predictor: Predictor,
    volume: Volume,
    prompts: Prompts | VolumePrompts,
    options: VolumeOptions | None = None,
    job: Job | None = None,
) -> VolumePrediction:
    """The object meant by the prompts, on every slice where it is."""
    said = VolumePrompts.of(prompts, volume.geometry) if isinstance(prompts, Prompts) else prompts
    return _Propagation(predictor, volume, said, options or VolumeOptions(), job or Job()).answer()


@dataclass(frozen=True, eq=False)
class _Propagation:
    """One request under way."""

    predictor: Predictor
    volume: Volume
    said: VolumePrompts
    options: VolumeOptions
    job: Job

    def answer(self) -> VolumePrediction:
        """Anchors, what corrections change about them, and everything between and beyond."""
        self.job.expected(most_slices(self.said, self.volume.geometry))
        anchors = {k: SliceAnswer.of_prediction(p) for k, p in self.predictions.items()}
        anchors = {k: self._allowed_only(answer) for k, answer in anchors.items()}
        corrected = self.job.kept(self._corrected(anchors))
        fixed = dict(sorted({**anchors, **dict(corrected)}.items()))
        around = self.job.kept(self._around(fixed, *self.said.span(self.volume.geometry)))
        answers, whole = {**fixed, **dict(around)}, corrected.whole and around.whole
        missed = [k for k in self.said.corrections if k not in fixed] if whole else []
        found = VolumePrediction.of(self.volume.geometry, self.said, answers, self.options.consistency, missed)
        return replace(found, whole=whole)

    @cached_property
    def predictions(self) -> dict[int, Prediction]:
        """What 2D would answer on each prompted slice."""
        return {k: self._predicted(k, part) for k, part in self.said.anchors.items()}

    def _predicted(self, index: int, part: Prompts) -> Prediction:
        return self.job.slice(lambda: self.predictor.predict(self.volume, part, index, self.options.slice))

    def _allowed_only(self, answer: SliceAnswer) -> SliceAnswer:
        return answer.within(self.allowed(answer.view))

    def _corrected(self, anchors: Answers) -> Iterator[tuple[int, SliceAnswer]]:
        """The corrected slices that something arrived at from the anchors."""
        walls = sorted(anchors)
        for index, part in self.said.corrections.items():
            below, above = (
                max((k for k in walls if k < index), default=None),
                min((k for k in walls if k > index), default=None),
            )
            nearest = {k: anchors[k] for k in (below, above) if k is not None}
            low, high = (index if below is None else below, index if above is None else above)
            arrived = dict(self._around(nearest, low, high)).get(index)
            if arrived is not None and arrived.patch.pixels.any():
                yield index, self._step(self._follower(nearest, index), index, arrived.pixels, part)

    def _around(self, fixed: Answers, low: int, high: int) -> Iterator[tuple[int, SliceAnswer]]:
        """Answers for slices `low`..`high` that are not `fixed`, where the object is."""
        indices = sorted(fixed)
        yield from self._run(fixed[indices[0]], range(indices[0] - 1, low - 1, -1))
        yield from self._run(fixed[indices[-1]], range(indices[-1] + 1, high + 1))
        for first, second in pairwise(indices):
            yield from self._between(fixed[first], fixed[second])

    def _between(self, first: SliceAnswer, second: SliceAnswer) -> Iterator[tuple[int, SliceAnswer]]:
        """Runs from both ends; where both got to, they are blended."""
        start, stop = first.view.index, second.view.index
        upwards = self.job.kept(self._run(first, range(start + 1, stop), self.options.end.between()))
        downwards = self.job.kept(self._run(second, range(stop - 1, start, -1), self.options.end.between()))
        up = dict(upwards)
        for index, answer in downwards:
            other = up.pop(index, None)
            share = (stop - index) / (stop - start)
            yield index, answer if other is None else blended(other, answer, share, self.allowed(answer.view))
        yield from up.items()
        if not (upwards.whole and downwards.whole):
            self.job.check()

    def _run(
        self, start: SliceAnswer, indices: Iterable[int], policy: EndPolicy | None = None
    ) -> Iterator[tuple[int, SliceAnswer]]:
        """The object followed from one slice over others, until it ends."""
        if not start.patch.pixels.any():
            return
        follower = self._follower({start.view.index: start}, start.view.index)
        ending = Ending.at(self.volume, start, policy or self.options.end)
        before, section = start, Section(self._grey(start.view, follower.window), start.pixels, start.view.pixel_mm)
        tracker = Tracker.at(section)
        for index in indices:
            answer, after, round_trip = self._next(follower, tracker, section, index)
            if ending.reached(before, answer, round_trip):
                return
            yield index, answer
            before, section = answer, after

    def _grey(self, view: SliceView, window: Window) -> Float32Array:
        """A slice (H, W) as the tracker sees it."""
        return grey_of(window.apply(self.volume.pixels(view)))

    def _next(
        self, follower: Follower, tracker: Tracker, before: Section, index: int
    ) -> tuple[SliceAnswer, Section, float]:
        """The object of `before` on the neighbouring slice `index`, as tracker and promptable network see it.

        With the slice it is on, and how well following it back leads to `before` again.
        """
        view = self.volume.view(self.said.axis, index)
        grey = self._grey(view, follower.window)
        allowed = self.allowed(view)

        def both() -> tuple[SliceAnswer, Section, float]:
            answer = SliceAnswer.of_parts(view, (tracker.next(before, grey),), 0.0, allowed)
            if answer.patch.pixels.any():
                asked = follower.step(index, answer.pixels, allowed)
                answer = replace(blended(answer, asked.tempered(SUREST), TRACKER_SHARE, allowed), score=asked.score)
            after = Section(grey, answer.pixels, view.pixel_mm)
            return answer, after, tracker.round_trip(before, after)

        return self.job.slice(both)

    def _step(self, follower: Follower, index: int, prior: BoolArray, said: Prompts | None = None) -> SliceAnswer:
        allowed = self.allowed(self.volume.view(self.said.axis, index))
        return self.job.slice(lambda: follower.step(index, prior, allowed, said))

    def _follower(self, near: Answers, index: int) -> Follower:
        """Looks through the window of the anchor nearest to `index`; of two, the lower one."""
        reachable = [k for k in self.predictions if k in near] or list(self.predictions)
        nearest = min(reachable, key=lambda k: (abs(k - index), k))
        window = self.predictions[nearest].window
        return Follower(
            self.predictor, self.volume, self.said.axis, window, self.options.slice.zoom, self.options.follow
        )

    def allowed(self, view: SliceView) -> BoolArray:
        """Pixels (H, W) inside the limit."""
        return inside(self.said.limit, view)


def inside(limit: Box | None, view: SliceView) -> BoolArray:
    """Pixels (H, W) of a slice that lie inside a box; all of them without one."""
    if limit is None:
        return np.ones((view.height, view.width), bool)
    allowed = np.zeros((view.height, view.width), bool)
    if limit.low[view.axis] <= view.index <= limit.high[view.axis]:
        corners = view.to_display(np.stack([limit.low, limit.high])).astype(int)
        (top, left), (bottom, right) = corners.min(axis=0), corners.max(axis=0)
        allowed[top : bottom + 1, left : right + 1] = True
    return allowed


def most_slices(said: VolumePrompts, geometry: Geometry) -> int:
    """How many slices are computed if the object reaches every end: between two prompts each is followed twice."""
    low, high = said.span(geometry)
    prompted = sorted({*said.anchors, *said.corrections})
    between = sum(second - first - 1 for first, second in pairwise(prompted))
    return len(prompted) + max(prompted[0] - low, 0) + max(high - prompted[-1], 0) + 2 * between
