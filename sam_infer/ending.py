"""Where an object ends: the rules that stop a propagation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_infer.likeness import Likeness
from sam_infer.slice_answer import SliceAnswer
from sam_infer.volume import Volume


@dataclass(frozen=True)
class EndPolicy:
    """Below these, a mask on the next slice is no longer the object."""

    score: float = 0.3  # predicted IoU
    overlap: float = 0.15  # IoU with the slice before
    shrink: float = 0.2  # area over the area before
    grow: float = 3.0  # area over the area before, at most
    likeness: float = 0.4  # see likeness.py
    pixels: int = 3


@dataclass(frozen=True, eq=False)
class Ending:
    """What the object looked like where the run started."""

    volume: Volume
    first: Likeness | None
    policy: EndPolicy

    @classmethod
    def at(cls, volume: Volume, start: SliceAnswer, policy: EndPolicy) -> Ending:
        """The rules for a run that starts with this answer."""
        return cls(volume, Likeness.of(volume.pixels(start.view), start.pixels), policy)

    def reached(self, before: SliceAnswer, answer: SliceAnswer) -> bool:
        """Whether `answer`, one slice after `before`, shows that the object has ended."""
        mask, earlier = answer.pixels, before.pixels
        area, area_before = int(mask.sum()), int(earlier.sum())
        if area < self.policy.pixels or answer.score < self.policy.score:
            return True
        if not self.policy.shrink <= area / area_before <= self.policy.grow:
            return True
        if int((mask & earlier).sum()) < self.policy.overlap * int((mask | earlier).sum()):
            return True
        return self._likeness(before, answer) < self.policy.likeness

    def _likeness(self, before: SliceAnswer, answer: SliceAnswer) -> float:
        """How much the new mask looks like the object, at the start of the run and one slice ago."""
        pixels, mask = self.volume.pixels(answer.view), answer.pixels
        latest = Likeness.of(self.volume.pixels(before.view), before.pixels)
        known = [model.of_mask(pixels, mask) for model in (self.first, latest) if model is not None]
        return float(np.mean(known)) if known else 1.0
