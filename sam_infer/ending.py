"""What is remembered of a run's start, and the rules that say where the object ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    likeness: float = 0.35  # see likeness.py; to the start of the run and to the slice before
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

    def looks(self, before: SliceAnswer) -> list[Likeness]:
        """What the object looks like: at the start of the run, and on the slice before the next."""
        latest = Likeness.of(self.volume.pixels(before.view), before.pixels)
        return [model for model in (self.first, latest) if model is not None]

    def reached(self, before: SliceAnswer, answer: SliceAnswer, looks: Sequence[Likeness]) -> bool:
        """Whether `answer`, one slice after `before`, shows that the object has ended."""
        mask, earlier = answer.pixels, before.pixels
        area, area_before = int(mask.sum()), int(earlier.sum())
        if area < self.policy.pixels or answer.score < self.policy.score:
            return True
        if not self.policy.shrink <= area / area_before <= self.policy.grow:
            return True
        if int((mask & earlier).sum()) < self.policy.overlap * int((mask | earlier).sum()):
            return True
        pixels = self.volume.pixels(answer.view)
        likeness = [model.of_mask(pixels, mask) for model in looks]
        return bool(likeness) and min(likeness) < self.policy.likeness
