"""Slice views: one slice of a stored grid in radiological display orientation.

Models see every slice in display orientation (patient right on the left, anterior or superior on top), whatever the
order and direction of the stored axes. That is why a flipped or permuted copy of a volume gets the same physical
mask, and why the only index arithmetic between stored and displayed pixels stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_infer.arrays import Float64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry

_SUPERIOR_INFERIOR = 2
_POSTERIOR_ANTERIOR = 1


@dataclass(frozen=True)
class SliceView:
    """Slice `index` across stored axis `axis`; rows and columns are stored axes, possibly reversed."""

    shape: tuple[int, int, int]  # of the whole grid
    axis: int
    index: int
    row_axis: int
    col_axis: int
    flip_rows: bool
    flip_cols: bool
    pixel_mm: tuple[float, float]  # (row height, column width)

    @classmethod
    def of(cls, geometry: Geometry, axis: int, index: int) -> SliceView:
        """The view of one slice of a grid."""
        if axis not in (0, 1, 2):
            raise PromptError(f"axis must be 0, 1 or 2, got {axis}", "plane")
        if not 0 <= index < geometry.shape[axis]:
            raise PromptError(f"slice {index} is outside 0..{geometry.shape[axis] - 1}", "slice")
        first, second = (a for a in range(3) if a != axis)
        world = [w for w, _ in geometry.world_axes]
        vertical = _SUPERIOR_INFERIOR if _SUPERIOR_INFERIOR in (world[first], world[second]) else _POSTERIOR_ANTERIOR
        rows, cols = (first, second) if world[first] == vertical else (second, first)
        # The display runs towards left, posterior and inferior: against every RAS direction.
        flips = [sign > 0 for _, sign in geometry.world_axes]
        spacing = geometry.spacing_mm
        return cls(geometry.shape, axis, index, rows, cols, flips[rows], flips[cols], (spacing[rows], spacing[cols]))

    @property
    def height(self) -> int:
        """Rows on display."""
        return self.shape[self.row_axis]

    @property
    def width(self) -> int:
        """Columns on display."""
        return self.shape[self.col_axis]

    def neighbours(self, depth: int) -> list[SliceView]:
        """`depth` slices in the order in which they are stored, this one in the middle; the first and the last slice
        of the grid stand in for what would lie beyond them."""
        reach, last = depth // 2, self.shape[self.axis] - 1
        return [replace(self, index=min(max(self.index + n, 0), last)) for n in range(-reach, reach + 1)]

    def extract(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Stored (I, J, K, ...) to displayed (H, W, ...); a view, not a copy."""
        plane = np.moveaxis(array, (self.axis, self.row_axis, self.col_axis), (0, 1, 2))[self.index]
        return plane[:: -1 if self.flip_rows else 1, :: -1 if self.flip_cols else 1]

    def insert(self, array: npt.NDArray[Any], pixels: npt.NDArray[Any]) -> None:
        """Write displayed `pixels` (H, W) into the stored `array` (I, J, K)."""
        self.extract(array)[...] = pixels

    def to_display(self, indices: npt.ArrayLike) -> Float64Array:
        """Stored indices (N, 3) to displayed (row, column) (N, 2)."""
        points = np.atleast_2d(np.asarray(indices, dtype=np.float64))
        rows, cols = points[:, self.row_axis], points[:, self.col_axis]
        return np.stack(
            [self.height - 1 - rows if self.flip_rows else rows, self.width - 1 - cols if self.flip_cols else cols],
            axis=1,
        )

    def to_stored(self, row_cols: npt.ArrayLike) -> Float64Array:
        """Displayed (row, column) (N, 2) to stored indices (N, 3)."""
        points = np.atleast_2d(np.asarray(row_cols, dtype=np.float64))
        stored = np.full((len(points), 3), float(self.index))
        stored[:, self.row_axis] = self.height - 1 - points[:, 0] if self.flip_rows else points[:, 0]
        stored[:, self.col_axis] = self.width - 1 - points[:, 1] if self.flip_cols else points[:, 1]
        return stored
