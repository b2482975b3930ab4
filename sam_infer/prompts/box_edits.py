"""Boxes as words change them: moved, resized, set; and the places in them that words name. Millimetres are true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array, Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.direction import Direction
from sam_infer.prompts.object_prompts import Box

FIELD = "text"

# A place on the clock of a box is a third of the box, this far from its middle.
CLOCK_REACH = 1 / 3


@dataclass(frozen=True, eq=False)
class BoxEdit:
    """A box on a slice."""

    box: Box
    geometry: Geometry
    view: SliceView

    @property
    def in_plane(self) -> list[int]:
        """The stored axes of the slice."""
        return [axis for axis in range(3) if axis != self.view.axis]

    def moved(self, towards: Direction, mm: float) -> Box:
        """The box elsewhere, still inside the image."""
        offset = np.rint(towards.way(self.geometry, self.view) * mm).astype(np.int64)
        if not offset.any():
            axis = towards.stored(self.geometry, self.view)[0]
            self._too_small(mm, axis)
        last = np.asarray(self.geometry.shape) - 1
        offset = np.clip(offset, -self.box.low, last - self.box.high)
        if not offset.any():
            raise PromptError(f"the box is at the end of the image: it cannot go {towards}", FIELD)
        return Box(self.box.low + offset, self.box.high + offset)

    def resized(self, mm: float | None, share: float, bigger: bool) -> Box:
        """Every edge in the slice outwards or inwards by millimetres, or else by half a share of the side."""
        low, high = self.box.low.copy(), self.box.high.copy()
        for axis in self.in_plane:
            side = float(high[axis] - low[axis] + 1)
            step = mm / self.geometry.spacing_mm[axis] if mm is not None else max(side * share / 2, 1.0)
            voxels = int(np.floor(step + 0.5))
            if not bigger and 2 * voxels >= side:
                raise PromptError(f"the box is {side:g} voxels wide: nothing of it would be left", FIELD)
            low[axis] += -voxels if bigger else voxels
            high[axis] += voxels if bigger else -voxels
        found = Box(low, high).clipped(self.geometry)
        if (found.low == self.box.low).all() and (found.high == self.box.high).all():
            if mm is not None:
                self._too_small(mm, self.in_plane[0])
            raise PromptError("the box is as large as the image", FIELD)
        return found

    def region(self, rows: tuple[float, float], cols: tuple[float, float]) -> BoolArray:
        """Pixels (H, W) between two shares of the box's height and two of its width, as it is shown."""
        corners = np.sort(self.view.to_display(np.stack([self.box.low, self.box.high])), axis=0)
        size = corners[1] - corners[0] + 1
        low = np.floor(corners[0] + size * [rows[0], cols[0]] + 0.5).astype(int)
        high = np.floor(corners[0] + size * [rows[1], cols[1]] + 0.5).astype(int)
        low, high = np.maximum(low, 0), np.maximum(high, low + 1)
        inside = np.zeros((self.view.height, self.view.width), bool)
        inside[low[0] : high[0], low[1] : high[1]] = True
        return inside

    def cell(self, row: int, col: int) -> BoolArray:
        """One of nine parts (H, W), as they are shown; rows and columns from 0."""
        return self.region((row / 3, (row + 1) / 3), (col / 3, (col + 1) / 3))

    def at_the_clock(self, hours: float) -> BoolArray:
        """The part (H, W) at a place of the clock, as it is shown: 12 is on top."""
        angle = hours * np.pi / 6
        row, col = 0.5 - CLOCK_REACH * np.cos(angle), 0.5 + CLOCK_REACH * np.sin(angle)
        return self.region((row - 1 / 6, row + 1 / 6), (col - 1 / 6, col + 1 / 6))

    def towards(self, ways: Sequence[Direction]) -> tuple[int, int]:
        """Row and column, from 0, of the part that lies towards one or two sides."""
        found = [1, 1]
        for way in ways:
            axis, sign = way.stored(self.geometry, self.view)
            if axis == self.view.axis:
                raise PromptError(f"{way} is across this slice: a region is in it", FIELD)
            place = 0 if axis == self.view.row_axis else 1
            if found[place] != 1:
                raise PromptError(f"{' and '.join(map(str, ways))} are not two sides of a corner", FIELD)
            flipped = (self.view.flip_rows, self.view.flip_cols)[place]
            found[place] += -sign if flipped else sign
        return found[0], found[1]

    def _too_small(self, mm: float, axis: int) -> None:
        size = self.geometry.spacing_mm[axis]
        raise PromptError(f"{mm:g} mm changes nothing: a voxel is {size:.3g} mm there", FIELD)


def set_in_plane(corners: Sequence[float], geometry: Geometry, view: SliceView) -> Box:
    """A box of the two stored axes of a slice, in their order: x0 y0 x1 y1."""
    first, second = (axis for axis in range(3) if axis != view.axis)
    low, high = np.full(3, view.index), np.full(3, view.index)
    low[[first, second]], high[[first, second]] = np.rint(corners[:2]), np.rint(corners[2:])
    return Box.of(low, high).clipped(geometry)


def deepest(pixels: BoolArray) -> Float64Array | None:
    """Row and column (2,) of the pixel farthest from the edge of a region (H, W); None of an empty one."""
    if not pixels.any():
        return None
    depth = ndimage.distance_transform_edt(np.pad(pixels, 1))[1:-1, 1:-1]
    return np.asarray(np.unravel_index(int(depth.argmax()), depth.shape), np.float64)


def box_on_slice(box: Box, axis: int, index: int) -> Box:
    """A box as one of slice `index`."""
    low, high = box.low.copy(), box.high.copy()
    low[axis] = high[axis] = index
    return Box(low, high)


def box_of(voxels: Int64Array) -> Box:
    """The box around voxels (N, 3)."""
    return Box(voxels.min(axis=0), voxels.max(axis=0))
