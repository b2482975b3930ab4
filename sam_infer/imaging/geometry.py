"""Voxel grid geometry: the affine from voxel index to patient coordinates in RAS millimetres.

Index order is (i, j, k), first index fastest in the file. The affine maps an index to RAS millimetres. No other
convention exists inside the project; LPS and (z, y, x) appear only where files are read and written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np
import numpy.typing as npt

from sam_infer.arrays import Float64Array
from sam_infer.errors import PromptError, VolumeError

# World axes of RAS: 0 left-right, 1 posterior-anterior, 2 inferior-superior.
PLANE_NORMAL = {"sagittal": 0, "coronal": 1, "axial": 2}

# Two grids are the same when no corner differs by more than this; file formats store float32.
CORNER_TOLERANCE_MM = 0.01


@dataclass(frozen=True, eq=False)
class Geometry:
    """A voxel grid in space: shape (I, J, K) and the 4x4 affine from index to RAS mm."""

    shape: tuple[int, int, int]
    affine: Float64Array

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise VolumeError(f"affine must be 4x4 and finite, got shape {affine.shape}", "affine")
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise VolumeError(f"shape must be three positive numbers, got {self.shape}", "shape")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise VolumeError("affine is singular: two axes point the same way or a spacing is zero", "affine")
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along i, j, k."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    @cached_property
    def world_axes(self) -> tuple[tuple[int, int], ...]:
        """For each stored axis the nearest world axis and the sign: `((0, -1), (1, -1), (2, 1))` is LPS order."""
        directions = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        best = max(permutations(range(3)), key=lambda p: sum(abs(directions[p[a], a]) for a in range(3)))
        return tuple((best[a], 1 if directions[best[a], a] > 0 else -1) for a in range(3))

    def axis_of_plane(self, plane: str) -> int:
        """The stored axis that runs across an anatomical plane (`axial`, `coronal`, `sagittal`)."""
        if plane not in PLANE_NORMAL:
            raise PromptError(f"plane must be one of {sorted(PLANE_NORMAL)}, got {plane!r}", "plane")
        return [world for world, _ in self.world_axes].index(PLANE_NORMAL[plane])

    def to_world(self, indices: npt.ArrayLike) -> Float64Array:
        """Indices (N, 3) to RAS mm (N, 3)."""
        points = np.atleast_2d(np.asarray(indices, dtype=np.float64))
        return np.asarray(points @ self.affine[:3, :3].T + self.affine[:3, 3])

    def to_index(self, points_mm: npt.ArrayLike) -> Float64Array:
        """RAS mm (N, 3) to continuous indices (N, 3)."""
        points = np.atleast_2d(np.asarray(points_mm, dtype=np.float64))
        return np.asarray((points - self.affine[:3, 3]) @ np.linalg.inv(self.affine[:3, :3]).T)

    def contains(self, indices: npt.ArrayLike) -> bool:
        """Whether every index (N, 3) is a voxel of the grid."""
        points = np.atleast_2d(np.asarray(indices))
        return bool(((points >= 0) & (points < np.asarray(self.shape))).all())

    def same_as(self, other: Geometry, tolerance_mm: float = CORNER_TOLERANCE_MM) -> bool:
        """Whether both grids have the same voxels at the same places."""
        if self.shape != other.shape:
            return False
        corners = np.array(
            [[a, b, c] for a in (0, self.shape[0] - 1) for b in (0, self.shape[1] - 1) for c in (0, self.shape[2] - 1)]
        )
        return bool(np.abs(self.to_world(corners) - other.to_world(corners)).max() <= tolerance_mm)

    def describe(self) -> str:
        """One line for error messages."""
        spacing = " x ".join(f"{s:.3g}" for s in self.spacing_mm)
        return f"{self.shape[0]}x{self.shape[1]}x{self.shape[2]} voxels of {spacing} mm"
