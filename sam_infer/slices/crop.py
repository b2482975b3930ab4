"""Zoom policy: which crop of a slice the model sees, from a fixed grid of sizes and places.

A small object fills a few pixels of a whole slice shown at model size; shown a crop, the model sees its edge. Crops
come from a fixed grid of sizes and places, so later clicks on an object land on the same crop and encode nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array, Int64Array
from sam_infer.networks.frame import Crop

# Crop sides relative to the longest side of the slice: half steps of a halving, down to a sixteenth.
LEVELS = tuple(2.0 ** (-n / 2) for n in range(9))

# Clicks tell an object's size less surely than a box does: whole halvings, so that a better answer rarely means
# another crop.
STEADY_LEVELS = tuple(2.0**-n for n in range(5))
STEADY_STRIDE_SHARE = 0.5

# Between an object and the edge of its steady crop, as a share of the crop's side.
STEADY_MARGIN = 0.1

# A crop's place is a multiple of this share of its side.
STRIDE_SHARE = 0.25

# Fewer displayed pixels than this along a crop's finer side show blur, not anatomy.
MIN_SIDE_PIXELS = 24


@dataclass(frozen=True)
class ZoomPolicy:
    """When and how closely to look."""

    context: float = 2.0  # crop side over object side, at least
    steady_context: float = 4.0  # the same for an object known from clicks
    below: float = 0.7  # zoom only when the crop side is at most this share of the slice
    least_points: int = 4  # without a box, fewer clicks say too little about the object's size to look closer


def crop_around(
    low: Float64Array,
    high: Float64Array,
    shape: tuple[int, int],
    pixel_mm: tuple[float, float],
    policy: ZoomPolicy,
) -> Crop | None:
    """The grid's crop for an object with inclusive corners `low`, `high` (row, column); None is the whole slice."""
    mm = np.asarray(pixel_mm)
    slice_mm = float((np.asarray(shape) * mm).max())
    object_mm = float(((high - low + 1) * mm).max())
    fitting = [level for level in LEVELS if level * slice_mm >= policy.context * object_mm]
    level = min(fitting, default=1.0)
    if level > policy.below:
        return None
    side_mm = max(level * slice_mm, MIN_SIDE_PIXELS * float(mm.min()))
    side = np.maximum(np.rint(side_mm / mm), 1)
    size = np.minimum(side, shape).astype(int)
    if (size == shape).all():
        return None
    stride = np.maximum(np.rint(side * STRIDE_SHARE), 1)
    wanted = (low + high + 1) / 2 - size / 2
    origin = np.clip(np.rint(wanted / stride) * stride, 0, np.asarray(shape) - size).astype(int)
    return Crop(int(origin[0]), int(origin[1]), int(size[0]), int(size[1]))


def extent_of(mask: BoolArray, clicks: Float64Array) -> tuple[Float64Array, Float64Array] | None:
    """Inclusive corners (row, column) of the parts of a mask (H, W) that hold a foreground click, and of all clicks.

    `clicks` (N, 2) are (row, column). Where no part holds one, all parts count: specks far away must not decide where
    to look. Nothing found says nothing about size: None.
    """
    around = _box_of(mask)
    if around is None:
        return None
    low, high = around
    numbered, parts = ndimage.label(mask[low[0] : high[0] + 1, low[1] : high[1] + 1])
    at = clicks.astype(np.int64)
    inside = ((at >= low) & (at <= high)).all(axis=1)
    held = np.zeros(parts + 1, bool)
    held[numbered[tuple((at[inside] - low).T)]] = True
    held[0] = False
    within = _box_of(held[numbered])
    if within is not None:
        low, high = low + within[0], low + within[1]
    corners = np.concatenate([[low, high], clicks]).astype(np.float64)
    return corners.min(axis=0), corners.max(axis=0)


def _box_of(mask: BoolArray) -> tuple[Int64Array, Int64Array] | None:
    """Inclusive corners (row, column) of what is there."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (np.array([rows[0], cols[0]]), np.array([rows[-1], cols[-1]])) if len(rows) else None


def steady_crop(
    low: Float64Array,
    high: Float64Array,
    shape: tuple[int, int],
    pixel_mm: tuple[float, float],
    policy: ZoomPolicy,
) -> Crop | None:
    """Like `crop_around`, for an object known from clicks, whose outline still moves from answer to answer.

    Of the places that hold the object with a margin the first in reading order is taken, not the most central one: it
    stays the first until the object leaves it.
    """
    mm = np.asarray(pixel_mm)
    slice_mm = float((np.asarray(shape) * mm).max())
    object_mm = float(((high - low + 1) * mm).max())
    for level in sorted(STEADY_LEVELS):
        if level > policy.below:
            return None
        if level * slice_mm < policy.steady_context * object_mm:
            continue
        size = np.minimum(np.maximum(np.rint(level * slice_mm / mm), MIN_SIDE_PIXELS), shape).astype(int)
        rows, cols = (_first_place(low[a], high[a], int(size[a]), shape[a]) for a in (0, 1))
        if rows is not None and cols is not None and (size != shape).any():
            return Crop(rows, cols, int(size[0]), int(size[1]))
    return None


def _first_place(low: float, high: float, size: int, length: int) -> int | None:
    """Where along one axis a crop of `size` starts so that `low`..`high` lie well inside; None if nowhere."""
    margin = STEADY_MARGIN * size
    stride = max(1, round(size * STEADY_STRIDE_SHARE))
    for start in sorted({*range(0, length - size + 1, stride), length - size}):
        clear_before = start == 0 or low >= start + margin
        clear_after = start + size == length or high + 1 <= start + size - margin
        if clear_before and clear_after:
            return start
    return None
