"""3D segmentation of one object: prompts on a few slices, propagation both ways until the object ends.

Every prompted slice is answered alone, as in 2D. From there the object is followed both ways, as the engine's `Walk`
does it, until it ends. Between two prompted slices both runs cover the gap and are blended, each weighted by how near
it started.

A click on another slice, on the object or beside it, is a correction: that slice is asked again with the mask that
arrived there and the reader's points, and counts as a prompted one from then on. What arrived is what the reader saw:
everything that had been said by then, and nothing that was said later. So a correction changes slices up to the next
prompted one on either side and not a voxel beyond. A background click in the very middle of what arrived says that the
object is not there: towards a slice without it the object ends. Runs that were computed before are remembered under
everything that decides them, so that a correction costs the slices between its neighbours.

Same arguments, same answer; nothing is remembered but what can be computed again.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.job import Job
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.end_rule import EndPolicy
from sam_infer.propagation.limit import inside, most_slices, tapered
from sam_infer.propagation.options import VolumeOptions
from sam_infer.propagation.result import VolumePrediction
from sam_infer.propagation.slice_result import Patch, SliceAnswer, blended
from sam_infer.propagation.step import denied
from sam_infer.propagation.tracker_walk import TrackerWalk
from sam_infer.propagation.walk import Answers, Run, Walk
from sam_infer.slices.look import repainted
from sam_infer.slices.predictor import Predictor


def segment_volume(
    predictor: Predictor,
    volume: Volume,
    prompts: Prompts | VolumePrompts,
    options: VolumeOptions | None = None,
    job: Job | None = None,
) -> VolumePrediction:
    """The object meant by the prompts, on every slice where it is, as the tracker follows it."""
    said = VolumePrompts.of(prompts, volume.geometry) if isinstance(prompts, Prompts) else prompts
    options, job = options or VolumeOptions(), job or Job()
    return Propagation(
        predictor, volume, said, options, job, TrackerWalk(predictor, volume, said, options, job)
    ).answer()


@dataclass(frozen=True, eq=False)
class Propagation:
    """One request under way."""

    predictor: Predictor
    volume: Volume
    said: VolumePrompts
    options: VolumeOptions
    job: Job
    walk: Walk

    def answer(self) -> VolumePrediction:
        """Prompted slices, what corrections change about them, and everything between and beyond."""
        most = most_slices(self.said, self.volume.geometry)
        self.job.expected(most)
        pace = self.walk.seconds_per_slice()
        if pace is not None:
            self.job.foreseen(pace * most)
        start = {k: self.walk.prompted(self._view(k), said) for k, said in self.said.start.items()}
        corrected = self.job.kept(self._corrected(start))
        fixed = dict(sorted({**start, **dict(corrected)}.items()))
        sections = {k: int(one.patch.pixels.sum()) for k, one in start.items()}  # as they were: corrections stay local
        reach = tapered(sections, fixed, *self.said.span(self.volume.geometry))
        around = self.job.kept(self._around(fixed, *reach))
        answers, whole = {**fixed, **dict(around)}, corrected.whole and around.whole
        missed = [k for k in self.said.corrections if k not in fixed] if whole else []
        found = VolumePrediction.of(self.volume.geometry, self.said, answers, self.options.consistency, missed)
        return replace(found, whole=whole)

    def _corrected(self, start: Answers) -> Iterator[tuple[int, SliceAnswer]]:
        """Slices that were spoken about later, each time; those said together do not see each other."""
        fixed = dict(start)
        for step in self.said.steps:
            heard = {index: self._heard(index, said, fixed) for index, said in step.items()}
            found = {index: answer for index, answer in heard.items() if answer is not None}
            fixed.update(found)
            yield from found.items()

    def _heard(self, index: int, said: Prompts, fixed: Answers) -> SliceAnswer | None:
        """A slice with what is said about it by now; None where there is nothing to correct."""
        if index in self.said.anchors:
            return self.walk.prompted(self._view(index), said)
        near = _neighbours(fixed, index)
        arrived = fixed.get(index) or self._arrived(index, near, said)
        if arrived is not None and arrived.patch.pixels.any():
            if _is_denied(arrived, said):
                return arrived.within(np.zeros_like(arrived.pixels))
            known = {k: one for k, one in near.items() if one.patch.pixels.any()} or {index: arrived}
            return _painted(self.walk.corrected(arrived, said, known), said)
        return self.walk.prompted(self._view(index), said) if len(said.positive) else None

    def _arrived(self, index: int, near: Answers, said: Prompts) -> SliceAnswer | None:
        """What of the object is on a slice between its neighbours.

        Where it ended before, and the reader points at it there, it is what it was on the last slice, if that is near
        the point.
        """
        low, high = min(*near, index), max(*near, index)
        around = {k: one for k, one in (*near.items(), *self._around(near, low, high)) if one.patch.pixels.any()}
        if index in around or not around or not len(said.positive):
            return around.get(index)
        last = around[min(around, key=lambda k: (abs(k - index), k))]
        view = self._view(index)
        reached = ndimage.binary_dilation(last.pixels, iterations=max(1, round(last.patch.pixels.shape[0] / 4)))
        spots = view.to_display(said.positive).astype(int)
        return replace(last, view=view) if reached[spots[:, 0], spots[:, 1]].any() else None

    def _around(self, fixed: Answers, low: int, high: int) -> Iterator[tuple[int, SliceAnswer]]:
        """Answers for slices `low`..`high` that are not `fixed`, where the object is."""
        indices = sorted(fixed)
        yield from self._run(fixed[indices[0]], None, range(indices[0] - 1, low - 1, -1), self.options.end)
        yield from self._run(fixed[indices[-1]], None, range(indices[-1] + 1, high + 1), self.options.end)
        for first, second in pairwise(indices):
            yield from self._between(fixed[first], fixed[second])

    def _between(self, first: SliceAnswer, second: SliceAnswer) -> Iterator[tuple[int, SliceAnswer]]:
        """Runs from both ends; where both got to, they are blended. Towards a slice without the object it ends."""
        for one, empty in ((first, second), (second, first)):
            if not empty.patch.pixels.any():
                step = 1 if empty.view.index > one.view.index else -1
                yield from self._ending(one, range(one.view.index + step, empty.view.index, step))
                return
        start, stop, policy = first.view.index, second.view.index, self.options.end.between()
        upwards = self.job.kept(self._run(first, second, range(start + 1, stop), policy))
        downwards = self.job.kept(self._run(second, first, range(stop - 1, start, -1), policy))
        up = dict(upwards)
        for index, answer in downwards:
            other = up.pop(index, None)
            share = (stop - index) / (stop - start)
            yield index, answer if other is None else blended(other, answer, share, self._allowed(answer.view))
        yield from up.items()
        if not (upwards.whole and downwards.whole):
            self.job.check()

    def _ending(self, start: SliceAnswer, indices: range) -> Iterator[tuple[int, SliceAnswer]]:
        """The object followed over slices that end before one where the reader says it is gone.

        Where no rule ends it, it ends half way: neither likeness nor overlap tells the place better than that.
        """
        run = self.job.kept(self._run(start, None, indices, self.options.end))
        found = list(run)
        yield from found if len(found) < len(indices) else found[: len(indices) // 2]
        if not run.whole:
            self.job.check()

    def _run(
        self, start: SliceAnswer, stop: SliceAnswer | None, indices: range, policy: EndPolicy
    ) -> Iterator[tuple[int, SliceAnswer]]:
        """The object followed from one slice over others, until it ends; recalled where it was followed before."""
        if not start.patch.pixels.any() or not indices:
            return
        key = self._key(start, stop, indices.step, policy)
        recalled = self._recalled(key, start, indices)
        if recalled is not None:
            self.job.check()
            self.job.progress(len(recalled))
            yield from ((answer.view.index, answer) for answer in recalled)
            return
        answers = []
        for answer in self.walk.run(start, stop, indices, policy):
            answers.append(answer)
            yield answer.view.index, answer
        self.predictor.runs.keep(key, Run(tuple(answers), len(indices)))

    def _recalled(self, key: Hashable, start: SliceAnswer, indices: range) -> tuple[SliceAnswer, ...] | None:
        """The answers of a run that was made before; None where it was not.

        A rule that ends a run changes nothing about the slices before: what got so far under the usual rules is what
        would be found between two prompts, unless the engine looks at the second one on its way.
        """
        known: Run | None = self.predictor.runs.known(key)
        if known is not None and known.covers(len(indices)):
            return known.answers[: len(indices)]
        free: Run | None = self.predictor.runs.known(self._key(start, None, indices.step, self.options.end))
        return free.answers[: len(indices)] if free is not None and len(free.answers) >= len(indices) else None

    def _key(self, start: SliceAnswer, stop: SliceAnswer | None, step: int, policy: EndPolicy) -> Hashable:
        network, limit = self.predictor.backbone, self.said.limit
        bounds = (limit.low.tobytes(), limit.high.tobytes()) if limit is not None else None
        place = (self.volume.digest, self.said.axis, step, bounds)
        asked = (self.options.slice, self.options.engine, policy)
        return (network.weights_id, network.encoder_id, place, asked, self.walk.run_key(start, stop))

    def _view(self, index: int) -> SliceView:
        return self.volume.view(self.said.axis, index)

    def _allowed(self, view: SliceView) -> BoolArray:
        return inside(self.said.limit, view)


def _painted(answer: SliceAnswer, said: Prompts) -> SliceAnswer:
    """An answer that keeps what the reader's brush promised, so that runs go on from it."""
    if said.painted is None:
        return answer
    return replace(answer, patch=Patch.of(repainted(answer.pixels, said, answer.view)))


def _is_denied(arrived: SliceAnswer, said: Prompts) -> bool:
    """Whether the reader says that the object is not on this slice at all."""
    return not len(said.positive) and denied(arrived.pixels, arrived.view.to_display(said.points))


def _neighbours(fixed: Answers, index: int) -> Answers:
    """The answers next to a slice, one on either side where there is one."""
    below, above = (
        max((k for k in fixed if k < index), default=None),
        min((k for k in fixed if k > index), default=None),
    )
    return {k: fixed[k] for k in (below, above) if k is not None}
