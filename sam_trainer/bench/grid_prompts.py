"""Segment-everything bench (S1): a grid of points, each asked alone on the whole slice.

Nothing in these prompts says which object is meant. So the deployable mask is the one with the highest score on the
slice, whatever it shows; only the oracle looks for the object.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from sam_infer.arrays import BoolArray
from sam_trainer.bench.exam import Asked, Exam
from sam_trainer.bench.prompts import DEPLOYABLE, ORACLE, proposals
from sam_trainer.measures.overlap import dice
from sam_trainer.reports.table import Observation
from sam_trainer.simulation.prompt_styles import Drawn, grid_points


@dataclass
class _Best:
    """The best mask so far by some measure."""

    shape: tuple[int, int]
    value: float = -1.0
    mask: BoolArray = field(init=False)

    def __post_init__(self) -> None:
        self.mask = np.zeros(self.shape, bool)

    def offer(self, value: float, mask: BoolArray) -> None:
        if value > self.value:
            self.value, self.mask = value, mask


def measure(exam: Exam, grid: int) -> list[Observation]:
    """S1 with `grid` points per side on every object."""
    return exam.each_slice("everything", lambda together: _slice(together, grid))


def _slice(together: list[Asked], grid: int) -> list[Observation]:
    """Both rules for all objects of one slice."""
    first = replace(together[0], options=replace(together[0].options, zoom=None))
    shape = (first.target.view.height, first.target.view.width)
    liked, closest = _Best(shape), [_Best(shape) for _ in together]
    for point in grid_points(shape, grid):
        prediction = first.answer(Drawn(point[None], np.zeros((0, 2), np.int64)))
        liked.offer(prediction.score, prediction.pixels)
        for mask in proposals(prediction):
            for asked, best in zip(together, closest, strict=True):
                best.offer(dice(mask, asked.target.mask), mask)
    seen = []
    for asked, best in zip(together, closest, strict=True):
        quality = asked.quality(liked.mask)
        error = {"iou_error": abs(liked.value - quality["jaccard"])}
        seen.append(asked.observe({"strategy": "S1", "rule": DEPLOYABLE}, {**quality, **error}))
        seen.append(asked.observe({"strategy": "S1", "rule": ORACLE}, asked.quality(best.mask)))
    return seen
