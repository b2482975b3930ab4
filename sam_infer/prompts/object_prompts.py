"""Prompts for one object: points, a box, a prior mask, scribbles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_infer.arrays import BoolArray, Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask

BACKGROUND, FOREGROUND = 0, 1

# More than this is a mistake of the client, not a reader's hand.
MAX_POINTS = 1000


def _no_points() -> Int64Array:
    return np.zeros((0, 3), np.int64)


def _no_labels() -> Int64Array:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Box:
    """Inclusive corners (3,) of a box in voxel indices; `low <= high` on every axis."""

    low: Int64Array
    high: Int64Array

    @classmethod
    def of(cls, corner: npt.ArrayLike, opposite: npt.ArrayLike) -> Box:
        """Any two opposite corners, in any order: clients do not sort them."""
        a = indices(corner, "box")[0]
        b = indices(opposite, "box")[0]
        return cls(np.minimum(a, b), np.maximum(a, b))

    def clipped(self, geometry: Geometry) -> Box:
        """The part inside the grid; refused when nothing is left."""
        low = np.maximum(self.low, 0)
        high = np.minimum(self.high, np.asarray(geometry.shape) - 1)
        if (low > high).any():
            raise PromptError(
                f"box {self.low.tolist()}..{self.high.tolist()} lies outside the image of {geometry.shape} voxels",
                "roi",
            )
        return Box(low, high)


@dataclass(frozen=True, eq=False)
class Prompts:
    """Every hint for one object, in voxel indices of its image, on slices across stored axis `axis`.

    Complete and immutable: a click never edits it, the client sends the whole set again. Points are kept in a
    canonical order, so that the same hints give the same bits whatever order they were sent in. When each was said is
    told by `turns`: points of the same turn were said together, those of the last one with everything before them.
    Nobody told: foreground one by one as it was sent, then all background, since of a list per side nobody knows how
    they alternated.
    """

    axis: int = 2
    points: Int64Array = field(default_factory=_no_points)  # (N, 3) columns i, j, k
    labels: Int64Array = field(default_factory=_no_labels)  # (N,) FOREGROUND or BACKGROUND
    box: Box | None = None
    mask: Mask | None = None  # a prior: non-zero is the object
    painted: Mask | None = None  # brush strokes: 1 surely the object, 2 surely not; see scribble.py
    turns: Int64Array = field(default_factory=_no_labels)  # (N,) from 0 without gaps; empty: not told

    def __post_init__(self) -> None:
        if self.axis not in (0, 1, 2):
            raise PromptError(f"axis must be 0, 1 or 2, got {self.axis!r}", "plane")
        points = indices(self.points, "points") if len(self.points) else _no_points()
        labels = np.asarray(self.labels, dtype=np.int64).reshape(-1)
        if len(labels) != len(points):
            raise PromptError(f"{len(points)} points came with {len(labels)} labels", "points")
        if not ((labels == BACKGROUND) | (labels == FOREGROUND)).all():
            raise PromptError(f"point labels must be 0 or 1, got {np.unique(labels).tolist()}", "points")
        if len(points) > MAX_POINTS:
            raise PromptError(f"{len(points)} points are more than the {MAX_POINTS} allowed", "points")
        turns = np.asarray(self.turns, dtype=np.int64).reshape(-1) if len(self.turns) else _untold_turns(labels)
        if len(turns) != len(points):
            raise PromptError(f"{len(points)} points came with {len(turns)} turns", "points")
        order = np.lexsort((points[:, 2], points[:, 1], points[:, 0], -labels))
        object.__setattr__(self, "points", points[order])
        object.__setattr__(self, "labels", labels[order])
        object.__setattr__(self, "turns", np.unique(turns, return_inverse=True)[1].reshape(-1)[order])

    def checked(self, geometry: Geometry) -> Prompts:
        """These hints, inside this grid: points outside are refused, a box is clipped, a mask must fit."""
        outside = [p.tolist() for p in self.points if not geometry.contains(p)]
        if outside:
            raise PromptError(f"point {outside[0]} is outside the image of {geometry.shape} voxels", "points")
        if self.mask is not None:
            self.mask.require_same_grid(geometry, "prior mask")
        if self.painted is not None:
            self.painted.require_same_grid(geometry, "scribble")
        return replace(self, box=self.box.clipped(geometry) if self.box is not None else None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return not len(self.points) and self.box is None and self.mask is None

    @property
    def positive(self) -> Int64Array:
        """Foreground points (N, 3)."""
        return self.points[self.labels == FOREGROUND]

    def slices(self) -> list[int]:
        """Indices along `axis` that carry points, sorted."""
        return sorted({int(p[self.axis]) for p in self.points})

    def on_slice(self, index: int) -> Prompts:
        """The hints that touch slice `index`; possibly none."""
        here = self.points[:, self.axis] == index
        box = self.box
        if box is not None and not box.low[self.axis] <= index <= box.high[self.axis]:
            box = None
        return replace(self.kept(here), box=box)

    def kept(self, which: BoolArray) -> Prompts:
        """These hints with some of the points (N,) only."""
        return replace(self, points=self.points[which], labels=self.labels[which], turns=self.turns[which])

    def until(self, turn: int) -> Prompts:
        """These hints as they were after a turn; before the first one (-1) there was no point."""
        return self.kept(self.turns <= turn)

    def followed_by(self, points: Int64Array, labels: Int64Array) -> Prompts:
        """These hints and further points (N, 3) with labels (N,) that were said together, after all others."""
        turns = np.full(len(points), self.turns.max(initial=-1) + 1)
        return replace(
            self,
            points=np.concatenate([self.points, points]),
            labels=np.concatenate([self.labels, labels]),
            turns=np.concatenate([self.turns, turns]),
        )


def _untold_turns(labels: Int64Array) -> Int64Array:
    """Turns (N,) of points that came as one list per side."""
    foreground = labels == FOREGROUND
    return np.where(foreground, np.cumsum(foreground) - 1, foreground.sum())


def holds_switch(values: Any) -> bool:
    """Whether true or false stands where a number should: numpy would take it for 1 or 0."""
    return isinstance(values, bool) or (isinstance(values, list | tuple) and any(map(holds_switch, values)))


def indices(values: Any, field_name: str) -> Int64Array:
    """Voxel indices (N, 3) from what a client sent: finite numbers, rounded to the nearest voxel."""
    if holds_switch(values):
        raise PromptError(f"{field_name} must be numbers, not true or false, got {_shown(values)}", field_name)
    try:
        array = np.asarray(values)
        numeric = array.size > 0 and np.issubdtype(array.dtype, np.number) and not np.iscomplexobj(array)
        if not numeric:
            raise PromptError(f"{field_name} must be numbers [i, j, k], got {_shown(values)}", field_name)
        array = np.atleast_2d(array.astype(np.float64))
    except (ValueError, TypeError) as error:
        raise PromptError(f"{field_name} must be lists of three numbers, got {_shown(values)}", field_name) from error
    if array.ndim != 2 or array.shape[1] != 3:
        raise PromptError(f"{field_name} must be lists of three numbers [i, j, k], got {_shown(values)}", field_name)
    if not np.isfinite(array).all() or np.abs(array).max() > 1e9:
        raise PromptError(f"{field_name} must be finite numbers, got {_shown(values)}", field_name)
    return np.rint(array).astype(np.int64)


def _shown(values: Any) -> str:
    text = repr(values)
    return text if len(text) <= 80 else text[:77] + "..."
