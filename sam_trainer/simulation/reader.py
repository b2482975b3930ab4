"""Simulated reader (annotator): clicks on the largest error until the mask is good enough, or gives up.

The answers come from the predictor that a server would use. What the reader accepts in the end is the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sam_infer.imaging.volume import Volume
from sam_infer.slices.predictor import Predictor
from sam_trainer.labels.cases import Case, Target, case_tags, labelled_image, targets_of
from sam_trainer.measures.overlap import dice
from sam_trainer.simulation.clicks import Click, correction_click
from sam_trainer.simulation.session import as_prompts

GOOD_ENOUGH, MOST_CLICKS = 0.9, 10

# A reader's pace: opening and closing a case, and each click with looking at the answer.
SECONDS_PER_CASE, SECONDS_PER_CLICK = 20.0, 3.0


@dataclass(frozen=True)
class Effort:
    """What one case cost."""

    clicks: int
    slices: int
    first_dice: float  # of the answer to the first click, mean over slices
    last_dice: float

    @property
    def minutes(self) -> float:
        """At a reader's pace."""
        return (SECONDS_PER_CASE + SECONDS_PER_CLICK * self.clicks) / 60.0


@dataclass(frozen=True)
class SimulatedReader:
    """Clicks until Dice `goal` on every object, at most `most` times on each."""

    goal: float = GOOD_ENOUGH
    most: int = MOST_CLICKS

    def label(self, predictor: Predictor, case: Case, largest_only: bool = False) -> Effort:
        """The effort for a case; `largest_only` looks at one slice per label, where it is largest."""
        volume, _ = labelled_image(case)
        predictor = predictor.about(partial(case_tags, case, volume))
        targets = targets_of(case)
        if largest_only:
            targets = _largest(targets)
        found = [self._one(predictor, volume, target) for target in targets]
        if not found:
            return Effort(0, 0, 1.0, 1.0)
        slices = len({target.view.index for target in targets})
        firsts, lasts = zip(*((marks[0], marks[-1]) for marks in found), strict=True)
        return Effort(sum(map(len, found)), slices, float(np.mean(firsts)), float(np.mean(lasts)))

    def _one(self, predictor: Predictor, volume: Volume, target: Target) -> list[float]:
        """Dice after each click."""
        clicks: list[Click] = []
        marks: list[float] = []
        mask = np.zeros_like(target.mask)
        while len(marks) < self.most and (not marks or marks[-1] < self.goal):
            click = correction_click(mask.astype(np.uint8), target.mask.astype(np.uint8))
            if click is None:
                break
            clicks.append(click)
            prompts = as_prompts(clicks).on(target.view)
            mask = predictor.predict(volume, prompts, target.view.index).pixels
            marks.append(dice(mask, target.mask))
        return marks


def _largest(targets: Sequence[Target]) -> list[Target]:
    best: dict[str, Target] = {}
    for target in targets:
        known = best.get(target.label)
        if known is None or target.mask.sum() > known.mask.sum():
            best[target.label] = target
    return list(best.values())
