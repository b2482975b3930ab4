"""A mask with its edge moved by millimetres: everywhere, towards one side, or smoothed; true on any spacing.

A mask on one slice stays on it, whatever the millimetres.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array

# Beyond so many sigmas nothing is smoothed.
REACH_SIGMAS = 3.0


def grown(mask: BoolArray, spacing_mm: Sequence[float], mm: float) -> BoolArray:
    """A mask (I, J, K) whose edge went outwards by so many millimetres, or inwards where they are below 0.

    The edge lands on the nearest voxel, hence the half of one.
    """

    def inside(part: BoolArray, spacing: Float64Array) -> BoolArray:
        far = abs(mm) + spacing.min() / 2 - 1e-6
        if mm < 0:
            return np.asarray(ndimage.distance_transform_edt(part, spacing) > far)
        return np.asarray(ndimage.distance_transform_edt(~part, spacing) <= far)

    return _windowed(mask, spacing_mm, abs(mm), inside)


def swept(mask: BoolArray, way: Float64Array, mm: float, bigger: bool) -> BoolArray:
    """A mask (I, J, K) whose edge on one side went out, or came in; `way` (3,) is a millimetre that way in voxels."""
    steps = max(int(np.ceil(2 * mm * float(np.abs(way).max()))), 1)
    offsets = np.unique(np.rint(np.outer(np.linspace(0, mm, steps + 1), way)).astype(np.int64), axis=0)
    out = mask.copy()
    for offset in offsets:
        moved = shifted(mask, offset if bigger else -offset)
        out = out | moved if bigger else out & moved
    return out


def shifted(mask: BoolArray, offset: Sequence[int]) -> BoolArray:
    """A mask (I, J, K) moved by whole voxels; what leaves the grid is lost."""
    out = np.zeros_like(mask)
    if any(abs(int(step)) >= size for step, size in zip(offset, mask.shape, strict=True)):
        return out
    to = tuple(slice(max(int(s), 0), size + min(int(s), 0)) for s, size in zip(offset, mask.shape, strict=True))
    of = tuple(slice(max(-int(s), 0), size + min(-int(s), 0)) for s, size in zip(offset, mask.shape, strict=True))
    out[to] = mask[of]
    return out


def smoothed(mask: BoolArray, spacing_mm: Sequence[float], mm: float) -> BoolArray:
    """A mask (I, J, K) after a Gaussian of so many millimetres."""

    def blurred(part: BoolArray, spacing: Float64Array) -> BoolArray:
        return np.asarray(ndimage.gaussian_filter(part.astype(np.float32), mm / spacing, truncate=REACH_SIGMAS) > 0.5)

    return _windowed(mask, spacing_mm, REACH_SIGMAS * mm, blurred)


def on_parts(mask: BoolArray, change: Callable[[BoolArray], BoolArray]) -> BoolArray:
    """A change of a mask (I, J, K), or of its only slice as one (H, W)."""
    flat = flat_axis(mask)
    if flat is None:
        return change(mask)
    axis, index = flat
    out = np.zeros_like(mask)
    np.moveaxis(out, axis, 0)[index] = change(np.ascontiguousarray(np.moveaxis(mask, axis, 0)[index]))
    return out


def flat_axis(mask: BoolArray) -> tuple[int, int] | None:
    """Axis and index of the only slice that a mask is on, the last axis first; None where it is on several."""
    for axis in (2, 1, 0):
        filled = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        if len(filled) == 1:
            return axis, int(filled[0])
    return None


def _windowed(
    mask: BoolArray,
    spacing_mm: Sequence[float],
    reach_mm: float,
    change: Callable[[BoolArray, Float64Array], BoolArray],
) -> BoolArray:
    """A change that looks no farther than its reach, on the part of the grid that it can concern."""
    if not mask.any():
        return mask
    flat = flat_axis(mask)
    axes = [a for a in range(3) if flat is None or a != flat[0]]
    spacing = np.asarray(spacing_mm, np.float64)
    window = list(ndimage.find_objects(mask.astype(np.uint8))[0])
    for axis in axes:
        margin = int(np.ceil(reach_mm / spacing[axis])) + 2
        window[axis] = slice(max(window[axis].start - margin, 0), min(window[axis].stop + margin, mask.shape[axis]))
    part = mask[tuple(window)]
    # beyond the grid nothing is known: an edge there is none
    pads = [(int(w.start == 0), int(w.stop == size)) for w, size in zip(window, mask.shape, strict=True)]
    padded = np.pad(part, pads, mode="edge")
    kept = tuple(slice(low, padded.shape[a] - high) for a, (low, high) in enumerate(pads))
    if flat is None:
        done = change(padded, spacing)
    else:
        done = np.expand_dims(change(padded.take(0, flat[0]), spacing[axes]), flat[0])
        kept = tuple(slice(None) if a == flat[0] else kept[a] for a in range(3))
    out = np.zeros_like(mask)
    out[tuple(window)] = done[kept]
    return out
