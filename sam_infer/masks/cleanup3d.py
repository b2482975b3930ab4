"""3D mask post-processing: smoothing across slices, largest component, hole filling; lengths are in millimetres.

All of it is off by default: smoothing and components look across prompted slices, while a correction should change
nothing beyond the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.masks.cleanup2d import largest_component

# Beyond so many sigmas nothing is smoothed; the window is padded by as much.
REACH_SIGMAS = 3.0


@dataclass(frozen=True)
class Consistency:
    """Which steps are wanted, in this order: smooth, keep the largest part, fill holes."""

    smooth_mm: float = 0.0  # sigma across slices
    keep_largest: bool = False
    fill_holes_mm3: float = 0.0  # enclosed holes up to this volume

    def __post_init__(self) -> None:
        for name, value in (("smooth_mm", self.smooth_mm), ("fill_holes_mm3", self.fill_holes_mm3)):
            if not np.isfinite(value) or value < 0:
                raise PromptError(f"{name} must be a number of at least 0, got {value!r}", name)

    @property
    def is_off(self) -> bool:
        """Whether nothing is asked for."""
        return not (self.smooth_mm or self.keep_largest or self.fill_holes_mm3)


def consistent(mask: BoolArray, geometry: Geometry, axis: int, wanted: Consistency, anchors: Int64Array) -> BoolArray:
    """A mask (I, J, K) after the wanted steps; parts that hold one of the `anchors` (N, 3) are kept."""
    if wanted.is_off or not mask.any():
        return mask
    sigma = wanted.smooth_mm / geometry.spacing_mm[axis]
    window = _window(mask, axis, int(np.ceil(REACH_SIGMAS * sigma)) + 1)
    part = mask[window]
    if sigma:
        blurred = ndimage.gaussian_filter1d(part.astype(np.float32), sigma, axis, truncate=REACH_SIGMAS)
        part = blurred > 0.5
    if wanted.keep_largest:
        start = np.array([s.start for s in window])
        local = anchors - start
        held = ((local >= 0) & (local < part.shape)).all(axis=1)
        part = largest_component(part, local[held])
    if wanted.fill_holes_mm3:
        part = _filled(part, wanted.fill_holes_mm3 / float(np.prod(geometry.spacing_mm)))
    out = np.zeros_like(mask)
    out[window] = part
    return out


def _window(mask: BoolArray, axis: int, margin: int) -> tuple[slice, ...]:
    """The part of the grid that holds the mask, and a margin across slices."""
    box = list(ndimage.find_objects(mask.astype(np.uint8))[0])
    box[axis] = slice(max(box[axis].start - margin, 0), min(box[axis].stop + margin, mask.shape[axis]))
    return tuple(box)


def _filled(mask: BoolArray, most_voxels: float) -> BoolArray:
    """A mask without the enclosed holes of at most so many voxels."""
    holes, count = ndimage.label(np.pad(~mask, 1, constant_values=True))
    if count <= 1:
        return mask
    sizes = np.bincount(holes.ravel())
    outside = holes[0, 0, 0]
    small = [n for n in range(1, count + 1) if n != outside and sizes[n] <= most_voxels]
    return np.asarray(mask | np.isin(holes, small)[1:-1, 1:-1, 1:-1])
