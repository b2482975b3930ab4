"""Which part of a slice to look at closely.

A small object fills a few pixels of a whole slice shown at model size; shown a crop, the model sees its edge. Crops
come from a fixed grid of sizes and places, so later clicks on an object land on the same crop and encode nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_infer.frame import Crop

# Crop sides relative to the longest side of the slice: half steps of a halving, down to a sixteenth.
LEVELS = tuple(2.0 ** (-n / 2) for n in range(9))

# A crop's place is a multiple of this share of its side.
STRIDE_SHARE = 0.25

# Fewer displayed pixels than this along a crop's finer side show blur, not anatomy.
MIN_SIDE_PIXELS = 24


@dataclass(frozen=True)
class ZoomPolicy:
    """When and how closely to look."""

    context: float = 2.0  # crop side over object side, at least
    below: float = 0.7  # zoom only when the crop side is at most this share of the slice


def crop_around(
    low: npt.NDArray[np.float64],
    high: npt.NDArray[np.float64],
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
