"""How the tracker engine walks: a tracker follows masks from slice to slice, and the promptable network looks along.

Slices that the reader speaks about are answered by the promptable network. From there the tracker says where the object
of a slice lies on the next one, until it ends. From slices that say what is meant, the network is asked about just that
on every slice, and both decide. From a correction the tracker goes alone: that encodes nothing but the corrected slice
and costs milliseconds per slice. The run needs nothing but the slice that it starts from.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from sam_infer.arrays import Float32Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import Window
from sam_infer.job import Job
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.end_rule import Ending, EndPolicy
from sam_infer.propagation.limit import inside
from sam_infer.propagation.options import VolumeOptions
from sam_infer.propagation.slice_result import SliceAnswer, blended
from sam_infer.propagation.step import Follower, FollowPolicy
from sam_infer.propagation.tracker import SUREST, Section, Tracker, grey_of
from sam_infer.propagation.walk import Answers
from sam_infer.slices.predictor import Predictor

# How much the tracker's logits count against the promptable network's.
TRACKER_SHARE = 0.8

# How much the object as it was at the start counts, where it speaks against how it was on the slice before.
START_SHARE = 0.18

# Where no way back is asked for, it is not walked.
NOT_WALKED = 1.0


@dataclass(frozen=True, eq=False)
class TrackerWalk:
    """One request under way."""

    predictor: Predictor
    volume: Volume
    said: VolumePrompts
    options: VolumeOptions
    job: Job
    _windows: dict[int, Window] = field(default_factory=dict)  # that prompted slices were seen through

    def prompted(self, view: SliceView, said: Prompts) -> SliceAnswer:
        """What 2D would answer."""
        found = self.job.slice(lambda: self.predictor.predict(self.volume, said, view.index, self.options.slice))
        self._windows[view.index] = found.window
        return SliceAnswer.of_prediction(found).within(inside(self.said.limit, view))

    def corrected(self, arrived: SliceAnswer, said: Prompts, near: Answers) -> SliceAnswer:
        """The mask that arrived is asked about again, together with the reader's points."""
        view = arrived.view
        follower, allowed = self._follower(self._window(tuple(near), view.index)), inside(self.said.limit, view)
        return self.job.slice(lambda: follower.corrected(arrived, allowed, said))

    def run(
        self, start: SliceAnswer, stop: SliceAnswer | None, indices: range, policy: EndPolicy
    ) -> Iterator[SliceAnswer]:
        """From slice to slice until the object ends; what lies behind the last one does not matter."""
        window = self._window((start.view.index,), start.view.index)
        ending = Ending.at(self.volume, start, policy)
        before, section = start, Section(self.grey(start.view, window), start.pixels, start.view.pixel_mm)
        looks = self._follower(window) if self._looks_along(start) else None
        step = _Step(self, window, Tracker.at(section), looks, policy.round_trip > 0)
        for index in indices:
            answer, after, round_trip = self.job.slice(partial(step.to, index, section))
            if ending.reached(before, answer, round_trip):
                return
            yield answer
            before, section = answer, after

    def run_key(self, start: SliceAnswer, stop: SliceAnswer | None) -> Hashable:
        """The mask of the start, and how it is looked at."""
        window = self._window((start.view.index,), start.view.index).key
        return (start.view.index, window, self._looks_along(start), start.score, start.patch.key)

    def seconds_per_slice(self) -> float | None:
        """A fraction of a second: nothing to tell."""
        return None

    def _looks_along(self, start: SliceAnswer) -> bool:
        """Whether the promptable network is asked about the slices of a run, too: not of one from a correction."""
        return start.view.index not in self.said.corrections

    def _window(self, near: tuple[int, ...], index: int) -> Window:
        """That of the prompted slice nearest to `index`; of two, the lower one."""
        reachable = [k for k in self._windows if k in near] or list(self._windows)
        return self._windows[min(reachable, key=lambda k: (abs(k - index), k))]

    def _follower(self, window: Window) -> Follower:
        return Follower(self.predictor, self.volume, self.said.axis, window, self.options.slice.zoom, FollowPolicy())

    def grey(self, view: SliceView, window: Window) -> Float32Array:
        """A slice (H, W) as the tracker sees it."""
        return grey_of(window.apply(self.volume.pixels(view)))


@dataclass(frozen=True, eq=False)
class _Step:
    """How a run goes on from one slice to the next."""

    walk: TrackerWalk
    window: Window
    tracker: Tracker
    looks: Follower | None  # the promptable network, where it looks along
    both_ways: bool  # whether the way back is walked too

    def to(self, index: int, before: Section) -> tuple[SliceAnswer, Section, float]:
        """The object of `before` on the neighbouring slice `index`.

        With the slice it is on, and how well following it back leads to `before` again.
        """
        view = self.walk.volume.view(self.walk.said.axis, index)
        grey = self.walk.grey(view, self.window)
        allowed = inside(self.walk.said.limit, view)
        part = self.tracker.next(before, grey)
        if before is not self.tracker.start:
            recalled = np.maximum(self.tracker.recalled(before, grey).on(view), -SUREST)
            part = part.doubted(recalled, START_SHARE)
        answer = SliceAnswer.of_parts(view, (part,), part.expected_iou, allowed)
        if self.looks is not None and answer.patch.pixels.any():
            asked = self.looks.step(index, answer.pixels, allowed)
            answer = replace(blended(answer, asked.tempered(SUREST), TRACKER_SHARE, allowed), score=asked.score)
        after = Section(grey, answer.pixels, view.pixel_mm)
        return answer, after, self.tracker.round_trip(before, after) if self.both_ways else NOT_WALKED
