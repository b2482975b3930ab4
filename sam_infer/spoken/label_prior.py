"""Where labels are in the accepted cases: position, size and neighbours, carried to a new volume.

Boxes are compared in the body, in shares of its length along the patient's axes, so that a case may be stored in any
order and direction. Labels that are drawn already say more: a box that was near a neighbour is near it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sam_infer.arrays import Float64Array
from sam_infer.automatic.example import AcceptedCase
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Box

# What is brighter than this share of the way from the darkest to the brightest is body, where enough of it is in line.
BODY_SHARE, LEAST_IN_LINE = 0.15, 0.02
DARK, BRIGHT = 2.0, 98.0

# How far edges of a label differ between patients at least: from what the body says, and from what a neighbour says.
LEAST_SPREAD_MM, LEAST_BESIDE_MM = 12.0, 8.0


@dataclass(frozen=True, eq=False)
class BodyFrame:
    """Edges (2, 3) along the patient's axes in mm from the grid's corner, for a grid; world order R, A, S."""

    geometry: Geometry

    def edges(self, box: Box) -> Float64Array:
        """Outer edges (2, 3) of a box."""
        found = np.zeros((2, 3))
        for axis, (world, sign) in enumerate(self.geometry.world_axes):
            low, high = float(box.low[axis]), float(box.high[axis]) + 1
            size, spacing = self.geometry.shape[axis], self.geometry.spacing_mm[axis]
            found[:, world] = np.array([low, high] if sign > 0 else [size - high, size - low]) * spacing
        return found

    def box(self, edges: Float64Array) -> Box:
        """The voxels between edges (2, 3), inside the grid, at least one."""
        low, high = np.zeros(3, np.int64), np.zeros(3, np.int64)
        for axis, (world, sign) in enumerate(self.geometry.world_axes):
            size = self.geometry.shape[axis]
            first, last = edges[:, world] / self.geometry.spacing_mm[axis]
            if sign < 0:
                first, last = size - last, size - first
            low[axis] = np.clip(round(first), 0, size - 1)
            high[axis] = np.clip(round(last) - 1, low[axis], size - 1)
        return Box(low, high)


def body_box(volume: Volume) -> Box:
    """The part of an image that is not air or background."""
    grey = volume.array.mean(axis=3) if volume.is_colour else volume.array
    step = tuple(slice(None, None, max(1, size // 64)) for size in grey.shape)
    small = np.asarray(grey[step], np.float32)
    dark, bright = np.percentile(small, [DARK, BRIGHT])
    bright_enough = small > dark + BODY_SHARE * (bright - dark)
    low, high = np.zeros(3, np.int64), np.asarray(grey.shape, np.int64) - 1
    for axis in range(3):
        filled = np.flatnonzero(bright_enough.mean(axis=tuple(a for a in range(3) if a != axis)) > LEAST_IN_LINE)
        if len(filled):
            low[axis] = filled[0] * (step[axis].step or 1)
            high[axis] = min((filled[-1] + 1) * (step[axis].step or 1) - 1, high[axis])
    return Box(low, high)


@dataclass(frozen=True, eq=False)
class KnownCase:
    """Edges (2, 3) of an accepted case's body and labels."""

    body: Float64Array
    labels: Mapping[int, Float64Array]

    @classmethod
    def of(cls, case: AcceptedCase) -> KnownCase:
        """What a case shows."""
        frame = BodyFrame(case.volume.geometry)
        found = {value: frame.edges(box) for value, box in boxes_of(case.labels).items()}
        return cls(frame.edges(body_box(case.volume)), found)


def boxes_of(labels: Mask) -> dict[int, Box]:
    """The box of every value of a label map."""
    found = {}
    for value in (int(v) for v in np.unique(labels.array) if v):
        there = labels.array == value
        spans = [np.flatnonzero(there.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
        found[value] = Box(np.array([s[0] for s in spans]), np.array([s[-1] for s in spans]))
    return found


@dataclass(frozen=True, eq=False)
class LabelPrior:
    """What accepted cases expect of a volume."""

    volume: Volume
    cases: Sequence[KnownCase]

    @cached_property
    def frame(self) -> BodyFrame:
        """Of the volume."""
        return BodyFrame(self.volume.geometry)

    def expected(self, value: int, beside: Mapping[int, Box]) -> Box | None:
        """Where a label should be; `beside` are labels that are drawn already. None where no case shows it."""
        having = [case for case in self.cases if value in case.labels]
        if not having:
            return None
        body = self.frame.edges(body_box(self.volume))
        size = body[1] - body[0]
        shares = np.stack([(c.labels[value] - c.body[0]) / (c.body[1] - c.body[0]) for c in having])
        guesses = [_guess(body[0] + shares * size, LEAST_SPREAD_MM)]
        for other, box in beside.items():
            both = [case for case in having if other in case.labels and other != value]
            if both:
                middle = self.frame.edges(box).mean(axis=0)
                offsets = np.stack([case.labels[value] - case.labels[other].mean(axis=0) for case in both])
                guesses.append(_guess(middle + offsets, LEAST_BESIDE_MM))
        weights = np.stack([1 / variance for _, variance in guesses])
        means = np.stack([mean for mean, _ in guesses])
        return self.frame.box((means * weights).sum(axis=0) / weights.sum(axis=0))


def _guess(edges: Float64Array, least_mm: float) -> tuple[Float64Array, Float64Array]:
    """Mean and variance (2, 3) of what several cases say (N, 2, 3)."""
    return edges.mean(axis=0), edges.var(axis=0) + least_mm**2
