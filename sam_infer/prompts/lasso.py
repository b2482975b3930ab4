"""Lassos (closed freehand contours): regions of a slice that hold the object, or none of it.

Inside a foreground lasso the object is expected: the filled region is the prior mask, the middle of its core a
foreground point, and nothing outside of it is the object on that slice. The line need not be exact: the network draws
the edge. A foreground point or stroke outside says that there is more; then the slice has no such limit. Inside a
background lasso nothing is the object, and the middle of its core is a background point.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array, Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import BACKGROUND, FOREGROUND, holds_switch
from sam_infer.prompts.scribble import SURELY_OUTSIDE, spread

INSIDE, OUTSIDE = "foreground_lasso", "background_lasso"

# More is a mistake of the client: a hand draws a few, and a line of so many corners goes round a whole slice.
MOST_LASSOS, MOST_CORNERS = 50, 5000

# Voxels this deep in a region, as a share of the deepest, show the object, however roughly it is encircled.
CORE_DEPTH = 0.6

# A voxel whose centre lies on the line is inside, however numbers were rounded on their way.
ON_THE_LINE = 1e-6


@dataclass(frozen=True, eq=False)
class Region:
    """A filled lasso: voxels (I, J) of slice `index`, over the two other stored axes in their order."""

    index: int
    filled: BoolArray


@dataclass(frozen=True, eq=False)
class Lasso:
    """All lassos of a request, closed polygons (N, 3) of voxel indices on slices across `axis`; either may be empty."""

    geometry: Geometry
    axis: int
    inside: tuple[Float64Array, ...] = ()
    outside: tuple[Float64Array, ...] = ()

    def __post_init__(self) -> None:
        for name, lassos in ((INSIDE, self.inside), (OUTSIDE, self.outside)):
            if len(lassos) > MOST_LASSOS:
                raise PromptError(f"{name} has {len(lassos)} lassos, more than the {MOST_LASSOS} allowed", name)
            for number, corners in enumerate(lassos, 1):
                self._check_slice(corners, f"lasso {number} of {name}", name)
        for name, lassos in ((INSIDE, self.inside), (OUTSIDE, self.outside)):
            empty = next((n for n, corners in enumerate(lassos, 1) if not self._region(corners).filled.any()), None)
            if empty is not None:
                shape = self.geometry.shape
                raise PromptError(f"lasso {empty} of {name} encircles no voxel of the image of {shape}", name)

    def _check_slice(self, corners: Float64Array, what: str, name: str) -> None:
        along, count = corners[:, self.axis], self.geometry.shape[self.axis]
        low, high = int(np.rint(along.min())), int(np.rint(along.max()))
        if low != high:
            raise PromptError(
                f"{what} must lie on one slice across {'ijk'[self.axis]}, it goes from {low} to {high}: name the plane "
                "that it was drawn in",
                name,
            )
        if not 0 <= low < count:
            raise PromptError(f"{what} lies on slice {low}, the image has slices 0..{count - 1}", name)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was drawn."""
        return not self.inside and not self.outside

    @cached_property
    def holding(self) -> tuple[Region, ...]:
        """What was encircled as the object and is not excluded; a lasso of which nothing is left says nothing."""
        drawn = [self._region(corners) for corners in self.inside]
        left = [Region(region.index, region.filled & ~self._excluded(region.index)) for region in drawn]
        return tuple(region for region in left if region.filled.any())

    @cached_property
    def excluded(self) -> tuple[Region, ...]:
        """What was encircled as none of it."""
        return tuple(self._region(corners) for corners in self.outside)

    def slices(self) -> list[int]:
        """Slices with lassos, sorted."""
        return sorted({region.index for region in (*self.holding, *self.excluded)})

    def on_slice(self, index: int) -> Lasso:
        """What was drawn on one slice."""

        def here(lassos: Iterable[Float64Array]) -> tuple[Float64Array, ...]:
            return tuple(corners for corners in lassos if int(np.rint(corners[0, self.axis])) == index)

        return replace(self, inside=here(self.inside), outside=here(self.outside))

    def points(self) -> tuple[Int64Array, Int64Array]:
        """One voxel of every lasso (N, 3), where it is thickest, and their labels (N,), as points for a network."""
        inside = [self._middle(region) for region in self.holding]
        outside = [self._middle(region) for region in self.excluded]
        labels = np.repeat([FOREGROUND, BACKGROUND], [len(inside), len(outside)]).astype(np.int64)
        return np.array([*inside, *outside], np.int64).reshape(-1, 3), labels

    def prior(self, given: Mask | None = None) -> Mask | None:
        """The prior mask of a request with what was encircled, and without what was excluded."""
        if self.is_empty or (given is None and not self.holding):
            return given
        mask = Mask.empty(self.geometry)
        if given is not None:
            mask.array[...] = given.array > 0
        for region in self.holding:
            self._slice(mask, region.index)[region.filled] = 1
        for region in self.excluded:
            self._slice(mask, region.index)[region.filled] = 0
        return mask

    def painted(self, strokes: Mask | None, said: Int64Array) -> Mask | None:
        """What is surely not the object, below the painted strokes; `said` are the reader's foreground points (N, 3).

        Strokes have the last word. Beyond the foreground lassos of a slice nothing is the object, unless a foreground
        point says that there is more.
        """
        if self.is_empty:
            return strokes
        mask = Mask.empty(self.geometry)
        for index in {region.index for region in self.holding}:
            encircled = np.logical_or.reduce([region.filled for region in self.holding if region.index == index])
            points = said[said[:, self.axis] == index]
            if encircled[tuple(np.delete(points, self.axis, axis=1).T)].all():
                self._slice(mask, index)[~encircled] = SURELY_OUTSIDE
        for region in self.excluded:
            self._slice(mask, region.index)[region.filled] = SURELY_OUTSIDE
        if strokes is not None:
            touched = strokes.array > 0
            mask.array[touched] = strokes.array[touched]
        return mask

    def _region(self, corners: Float64Array) -> Region:
        rows, cols = (axis for axis in range(3) if axis != self.axis)
        shape = self.geometry.shape[rows], self.geometry.shape[cols]
        return Region(int(np.rint(corners[0, self.axis])), filled(corners[:, [rows, cols]], shape))

    def _excluded(self, index: int) -> BoolArray:
        """Voxels of a slice inside any background lasso."""
        shape = tuple(length for axis, length in enumerate(self.geometry.shape) if axis != self.axis)
        here = [region.filled for region in self.excluded if region.index == index]
        return np.logical_or.reduce([np.zeros(shape, bool), *here])

    def _slice(self, mask: Mask, index: int) -> Any:
        """A slice of a mask's array, to write into."""
        return np.moveaxis(mask.array, self.axis, 0)[index]

    def _middle(self, region: Region) -> list[int]:
        """The voxel [i, j, k] in the middle of a region's core."""
        spacing = np.delete(np.asarray(self.geometry.spacing_mm), self.axis)
        depth = ndimage.distance_transform_edt(np.pad(region.filled, 1), sampling=spacing)[1:-1, 1:-1]
        core = np.insert(np.argwhere(depth >= CORE_DEPTH * depth.max()), self.axis, region.index, axis=1)
        return [int(value) for value in spread(core, self.geometry, 1)[0]]


def closed_line(values: Any, what: str, field: str) -> Float64Array:
    """A lasso (N, 3) from what a client sent: at least three voxels [i, j, k], which may lie between voxels."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise PromptError(f"{what} must be a list of voxels [i, j, k], got {type(values).__name__}", field)
    if len(values) > MOST_CORNERS:
        raise PromptError(f"{what} has {len(values)} voxels, more than the {MOST_CORNERS} allowed", field)
    if holds_switch(values):
        raise PromptError(f"{what} must be numbers, not true or false", field)
    try:
        corners = np.asarray(values)
    except ValueError:  # lists of different lengths
        corners = np.zeros(0)
    if corners.ndim != 2 or corners.shape[1] != 3 or not np.issubdtype(corners.dtype, np.number):
        raise PromptError(f"{what} must be a list of at least three voxels [i, j, k]", field)
    corners = corners.astype(np.float64)
    if not np.isfinite(corners).all() or np.abs(corners).max() > 1e9:
        raise PromptError(f"{what} must consist of finite numbers", field)
    if len(np.unique(corners, axis=0)) < 3:
        raise PromptError(f"{what} needs at least three different voxels", field)
    return corners


def filled(corners: Float64Array, shape: tuple[int, int]) -> BoolArray:
    """Voxels whose centres lie inside a closed line (N, 2), or on it; where it crosses itself, every loop is inside."""
    out = np.zeros(shape, bool)
    start, stop = corners, np.roll(corners, -1, axis=0)
    first = max(int(np.ceil(corners[:, 0].min() - ON_THE_LINE)), 0)
    last = min(int(np.floor(corners[:, 0].max() + ON_THE_LINE)), shape[0] - 1)
    for row in range(first, last + 1):
        for left, right in [*_crossed(start, stop, row), *_along(start, stop, row)]:
            begin = max(int(np.ceil(left - ON_THE_LINE)), 0)
            out[row, begin : max(int(np.floor(right + ON_THE_LINE)) + 1, begin)] = True
    return out


def _crossed(start: Float64Array, stop: Float64Array, row: int) -> list[tuple[float, float]]:
    """From where to where a row is inside: between crossings, where the line winds around it."""
    up, down = (start[:, 0] <= row) & (stop[:, 0] > row), (start[:, 0] > row) & (stop[:, 0] <= row)
    crosses = up | down
    share = (row - start[crosses, 0]) / (stop[crosses, 0] - start[crosses, 0])
    where = start[crosses, 1] + share * (stop[crosses, 1] - start[crosses, 1])
    order = np.argsort(where, kind="stable")
    winding, where = np.cumsum(np.where(up, 1, -1)[crosses][order]), where[order]
    return [(where[n], where[n + 1]) for n in range(len(where) - 1) if winding[n]]


def _along(start: Float64Array, stop: Float64Array, row: int) -> list[tuple[float, float]]:
    """Where corners of the line lie on a row, and where it runs along the row."""
    here, there = np.abs(start[:, 0] - row) <= ON_THE_LINE, np.abs(stop[:, 0] - row) <= ON_THE_LINE
    ends = [(min(a, b), max(a, b)) for a, b in zip(start[here & there, 1], stop[here & there, 1], strict=True)]
    return [*ends, *((at, at) for at in start[here, 1])]
