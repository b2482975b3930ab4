"""Chooses the slice that a request means, where the client names it wrongly, twice or not at all.

3D Slicer computes the slice of a box without points from an offset in millimetres, and sends the points of every
slice while the reader looks at slice 0. OHIF sends no slice. So a client's slice counts only where its prompts agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import Box


@dataclass(frozen=True, eq=False)
class Marks:
    """Where a reader pointed, in the order of the request; everything lies inside the grid."""

    foreground: Int64Array  # (N, 3)
    background: Int64Array  # (N, 3)
    box: Box | None = None
    prior: Mask | None = None

    def agrees(self, axis: int, index: int) -> bool:
        """Whether something that can carry an object lies on slice `index`."""
        if len(self.foreground):
            return bool((self.foreground[:, axis] == index).any())
        if self.box is not None:
            return bool(self.box.low[axis] <= index <= self.box.high[axis])
        if self.prior is not None:
            return bool(np.take(self.prior.array, index, axis).any())
        return bool((self.background[:, axis] == index).any())

    def likeliest(self, axis: int) -> int:
        """The slice of the last foreground point, else of the box, else of the prior mask, else of the last point."""
        if len(self.foreground):
            return int(self.foreground[-1, axis])
        if self.box is not None:
            low, high = int(self.box.low[axis]), int(self.box.high[axis])
            clicked = [int(k) for k in self.background[:, axis] if low <= k <= high]
            return clicked[-1] if clicked else (low + high) // 2
        if self.prior is not None and self.prior.array.any():
            others = tuple(a for a in range(3) if a != axis)
            return int(np.count_nonzero(self.prior.array, axis=others).argmax())
        if len(self.background):
            return int(self.background[-1, axis])
        raise PromptError(
            "there is nothing to go by: give a foreground point, a roi, a scribble or a prior mask", "foreground"
        )


def choose_slice(geometry: Geometry, axis: int, wish: int | None, marks: Marks) -> tuple[int, list[str]]:
    """The slice to answer, and a sentence for everything that was left aside."""
    notes = []
    if wish is not None and 0 <= wish < geometry.shape[axis] and marks.agrees(axis, wish):
        index = wish
    else:
        index = marks.likeliest(axis)
        if wish is not None and wish != index:
            notes.append(f"slice {wish} does not fit the prompts: slice {index} was used")
    points = np.concatenate([marks.foreground, marks.background])
    elsewhere = int((points[:, axis] != index).sum())
    if elsewhere:
        notes.append(f"{elsewhere} of {len(points)} points or painted voxels lie on other slices and were not used")
    if marks.box is not None and not marks.box.low[axis] <= index <= marks.box.high[axis]:
        notes.append("the roi does not reach this slice and was not used")
    return index, notes
