"""Mask metrics against the truth: Dice, Jaccard, 95 % Hausdorff distance, normalised surface Dice (NSD).

Overlap counts pixels. Surface measures are in millimetres: a surface pixel is a pixel of the mask with a neighbour
outside it, and pixel centres stand for it. Two empty masks agree completely (Dice 1, distance 0); an empty mask
against an object is a complete miss (Dice 0, distance the diagonal of the slice).
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array


def dice(predicted: BoolArray, truth: BoolArray) -> float:
    """Twice the overlap over the sum of both, of masks of one shape."""
    total = int(predicted.sum()) + int(truth.sum())
    return 2.0 * int((predicted & truth).sum()) / total if total else 1.0


def jaccard(predicted: BoolArray, truth: BoolArray) -> float:
    """Overlap over union, of masks of one shape."""
    union = int((predicted | truth).sum())
    return int((predicted & truth).sum()) / union if union else 1.0


def hd95_mm(predicted: BoolArray, truth: BoolArray, spacing_mm: tuple[float, ...]) -> float:
    """The larger of the two 95th percentiles of surface distances, in mm."""
    if not predicted.any() and not truth.any():
        return 0.0
    if not predicted.any() or not truth.any():
        return float(np.linalg.norm(np.asarray(truth.shape) * np.asarray(spacing_mm)))
    there, back = surface_distances(predicted, truth, spacing_mm)
    return float(max(np.percentile(there, 95), np.percentile(back, 95)))


def nsd(predicted: BoolArray, truth: BoolArray, spacing_mm: tuple[float, ...], tolerance_mm: float) -> float:
    """Normalised surface Dice: the share of both surfaces that lies within `tolerance_mm` of the other."""
    if not predicted.any() and not truth.any():
        return 1.0
    if not predicted.any() or not truth.any():
        return 0.0
    there, back = surface_distances(predicted, truth, spacing_mm)
    close = int((there <= tolerance_mm).sum()) + int((back <= tolerance_mm).sum())
    return close / (len(there) + len(back))


def surface_distances(
    predicted: BoolArray, truth: BoolArray, spacing_mm: tuple[float, ...]
) -> tuple[Float64Array, Float64Array]:
    """Distances in mm from every surface pixel of one mask to the other surface, and back; neither may be empty."""
    window = _window(predicted | truth)
    first, second = _surface(predicted[window]), _surface(truth[window])
    to_second = ndimage.distance_transform_edt(~second, sampling=spacing_mm)
    to_first = ndimage.distance_transform_edt(~first, sampling=spacing_mm)
    return to_second[first], to_first[second]


def _surface(mask: BoolArray) -> BoolArray:
    return np.asarray(mask & ~ndimage.binary_erosion(mask))


def _window(mask: BoolArray) -> tuple[slice, ...]:
    """The part of the grid that holds both masks: distances outside it are not asked for."""
    return ndimage.find_objects(mask.astype(np.uint8))[0]
