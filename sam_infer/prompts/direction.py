"""Directions that people name: of the patient (left is the patient's left), or as a slice is shown (image left).

A direction is a way in RAS millimetres. In a slice it is the nearest way that lies in it; towards one of the slice's
neighbours it is the way across.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import Float64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView

# RAS: world axis and sign.
BODY = {
    "left": (0, -1),
    "right": (0, 1),
    "anterior": (1, 1),
    "posterior": (1, -1),
    "superior": (2, 1),
    "inferior": (2, -1),
}

# Of a slice on display: rows and columns; into the picture is away from whoever looks at it.
SHOWN = {"left": (0, -1), "right": (0, 1), "top": (-1, 0), "bottom": (1, 0)}
DEPTH = {"in": 1, "out": -1}


@dataclass(frozen=True)
class Direction:
    """A named way; `shown` where it is meant as the slice is displayed."""

    name: str
    shown: bool = False

    def __post_init__(self) -> None:
        known = {*SHOWN, *DEPTH} if self.shown else set(BODY)
        if self.name not in known:
            raise PromptError(f"a direction is one of {', '.join(sorted(known))}, got {self.name!r}", "text")

    def __str__(self) -> str:
        return f"image {self.name}" if self.shown and self.name in BODY else self.name

    def stored(self, geometry: Geometry, view: SliceView) -> tuple[int, int]:
        """The stored axis that runs nearest this way, and the sign on it."""
        if not self.shown:
            world, sign = BODY[self.name]
            axis = [w for w, _ in geometry.world_axes].index(world)
            return axis, sign * geometry.world_axes[axis][1]
        if self.name in DEPTH:
            return self._across(geometry, view)
        rows, cols = SHOWN[self.name]
        if rows:
            return view.row_axis, -rows if view.flip_rows else rows
        return view.col_axis, -cols if view.flip_cols else cols

    def way(self, geometry: Geometry, view: SliceView) -> Float64Array:
        """What one millimetre that way is in stored indices (3,): in the slice, or along the axis across it."""
        axis, sign = self.stored(geometry, view)
        if axis == view.axis or self.shown:
            alone = np.zeros(3)
            alone[axis] = sign / geometry.spacing_mm[axis]
            return alone
        world, towards = BODY[self.name]
        wanted = np.zeros(3)
        wanted[world] = towards
        plane = geometry.affine[:3, [a for a in range(3) if a != view.axis]]
        inside = plane @ np.linalg.lstsq(plane, wanted, rcond=None)[0]
        way = np.asarray(np.linalg.inv(geometry.affine[:3, :3]) @ (inside / np.linalg.norm(inside)))
        way[view.axis] = 0.0  # but for rounding it is
        return way

    def _across(self, geometry: Geometry, view: SliceView) -> tuple[int, int]:
        """Along the slices: the screen's rows, columns and depth are a right-handed frame, as patients are."""
        columns = geometry.affine[:3, view.col_axis] * (-1 if view.flip_cols else 1)
        rows = geometry.affine[:3, view.row_axis] * (-1 if view.flip_rows else 1)
        inwards = np.cross(columns, rows)
        sign = 1 if float(inwards @ geometry.affine[:3, view.axis]) > 0 else -1
        return view.axis, sign * DEPTH[self.name]
