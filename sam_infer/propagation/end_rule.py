"""Stopping rules of a propagation: where the object ends, by area, confidence and forward-backward consistency.

An object has ended where nothing of it is left, where the network doubts its answer, where the mask looks like what
surrounded the object, and where the way back does not lead to it: a mask that has slipped into a neighbour is followed
back to the neighbour. Two mild doubts, of the look and of the way back, are as good as one grave one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sam_infer.imaging.volume import Volume
from sam_infer.propagation.intensity_model import IntensityModel
from sam_infer.propagation.slice_result import SliceAnswer


@dataclass(frozen=True)
class EndPolicy:
    """Below these, a mask on the next slice is no longer the object."""

    pixels: int = 3
    score: float = 0.3  # predicted IoU
    overlap: float = 0.15  # IoU with the slice before
    shrink: float = 0.2  # area over the area before
    grow: float = 3.0  # area over the area before, at most
    like_start: float = 0.6  # see intensity_model.py; to the object where the run started
    like_before: float = 0.75  # and on the slice before
    round_trip: float = 0.66  # IoU of the mask before with where the new mask is followed back to
    both: tuple[float, float] = (0.85, 0.8)  # the lesser likeness and the way back, where both are below

    def between(self) -> EndPolicy:
        """Between two prompted slices the object is there: only where nothing is found it is not."""
        return EndPolicy(self.pixels, 0.0, 0.0, 0.0, math.inf, 0.0, 0.0, 0.0, (0.0, 0.0))


@dataclass(frozen=True, eq=False)
class Ending:
    """What the object looked like where the run started."""

    volume: Volume
    first: IntensityModel | None
    policy: EndPolicy

    @classmethod
    def at(cls, volume: Volume, start: SliceAnswer, policy: EndPolicy) -> Ending:
        """The rules for a run that starts with this answer."""
        return cls(volume, IntensityModel.of(volume.pixels(start.view), start.pixels), policy)

    def reached(self, before: SliceAnswer, answer: SliceAnswer, round_trip: float) -> bool:
        """Whether `answer`, one slice after `before`, shows that the object has ended; `round_trip` see the policy."""
        mask, earlier = answer.pixels, before.pixels
        area, area_before = int(mask.sum()), int(earlier.sum())
        if area < self.policy.pixels or answer.score < self.policy.score:
            return True
        if not self.policy.shrink <= area / area_before <= self.policy.grow:
            return True
        if int((mask & earlier).sum()) < self.policy.overlap * int((mask | earlier).sum()):
            return True
        return round_trip < self.policy.round_trip or self._unlike(before, answer, round_trip)

    def _unlike(self, before: SliceAnswer, answer: SliceAnswer, round_trip: float) -> bool:
        """Whether its intensities are rather those of the surroundings, or a little so and the way back is poor."""
        (least_like, least_trip), policy = self.policy.both, self.policy
        if max(policy.like_start, policy.like_before, least_like) <= 0:
            return False
        pixels, mask = self.volume.pixels(answer.view), answer.pixels
        latest = IntensityModel.of(self.volume.pixels(before.view), before.pixels)
        start, near = (1.0 if model is None else model.of_mask(pixels, mask) for model in (self.first, latest))
        if start < policy.like_start or near < policy.like_before:
            return True
        return min(start, near) < least_like and round_trip < least_trip
