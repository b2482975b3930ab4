"""Compares the intensity histogram of a new mask with the one at the prompted slice.

A network that is given a box finds something in it, also beyond the end of an object. So the intensities of the object
and of its surroundings are remembered from the prompted slice, and every new mask is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array

BINS = 24

# Pixels of blur between neighbouring intensities: a histogram of few pixels has holes.
BIN_BLUR = 1.0

# Width of the ring around the object, as a share of the side of a square of the object's area.
RING_SHARE = 0.3
SMALLEST_RING = 3

# One pixel alone proves little, whatever its intensity.
MOST_EVIDENCE = 2.5

# Intensities that far beyond what was seen, in shares of its range, were not seen.
SPARE = 0.1

# Below this contrast object and surroundings look the same: intensities say nothing.
TELLING = 0.12


@dataclass(frozen=True, eq=False)
class IntensityModel:
    """How object-like an intensity is, learned from one mask."""

    edges: Float64Array  # (BINS - 1,) between the bins
    share: Float64Array  # (BINS,) of a bin's pixels that belong to the object
    inside: float  # mean share over the object
    outside: float  # over the ring around it
    known: tuple[float, float]  # what was seen there at all; beyond it nothing is the object

    @classmethod
    def of(cls, pixels: npt.NDArray[Any], mask: BoolArray) -> IntensityModel | None:
        """Learned from a slice (H, W) or (H, W, 3) and the object on it; None where there is nothing to learn from."""
        rows, cols = surroundings(mask)
        grey, mask = _grey(pixels[rows, cols]), mask[rows, cols]
        ring = _ring(mask)
        if not mask.any() or not ring.any():
            return None
        low, high = np.percentile(grey[mask | ring], (1, 99))
        edges = np.linspace(low, max(high, low + 1e-6), BINS + 1)[1:-1]
        within, around = (_histogram(grey[part], edges) for part in (mask, ring))
        share = within / (within + around)
        inside, outside = (float(share[np.digitize(grey[part], edges)].mean()) for part in (mask, ring))
        spare = SPARE * (high - low)
        return cls(edges, share, inside, outside, (float(low - spare), float(high + spare)))

    def of_mask(self, pixels: npt.NDArray[Any], mask: BoolArray) -> float:
        """1 for a mask (H, W) that looks like the object, 0 for one that looks like its surroundings."""
        if self.inside - self.outside < TELLING:
            return 1.0
        grey = _grey(pixels[mask])
        seen = (grey >= self.known[0]) & (grey <= self.known[1])
        found = float((self.share[np.digitize(grey, self.edges)] * seen).mean())
        return float(np.clip((found - self.outside) / (self.inside - self.outside), 0.0, 1.0))

    def evidence(self, pixels: npt.NDArray[Any]) -> Float64Array:
        """How much each pixel (H, W) speaks for the object: logarithm of the odds, at most `MOST_EVIDENCE`.

        It counts less where object and surroundings share intensities: there a neighbour may look like the object.
        """
        share = self.share[np.digitize(_grey(pixels), self.edges)]
        odds = np.clip(np.log(share / (1.0 - share)), -MOST_EVIDENCE, MOST_EVIDENCE)
        return np.asarray(odds * max(self.inside - self.outside, 0.0) ** 2)


def _grey(pixels: npt.NDArray[Any]) -> Float64Array:
    values = pixels.astype(np.float64)
    return np.asarray(values.mean(axis=-1)) if pixels.ndim > 1 and pixels.shape[-1] == 3 else values


def _histogram(values: Float64Array, edges: Float64Array) -> Float64Array:
    counts = np.bincount(np.digitize(values, edges), minlength=BINS).astype(np.float64)
    return np.asarray(ndimage.gaussian_filter1d(counts, BIN_BLUR, mode="nearest") / counts.sum() + 1e-3)


def _reach(mask: BoolArray) -> int:
    return max(SMALLEST_RING, round(RING_SHARE * float(np.sqrt(mask.sum()))))


def _ring(mask: BoolArray) -> BoolArray:
    return np.asarray(ndimage.binary_dilation(mask, iterations=_reach(mask)) & ~ndimage.binary_dilation(mask))


def surroundings(mask: BoolArray) -> tuple[slice, slice]:
    """Rows and columns of a mask (H, W) and the ring around it: nothing further away counts."""
    reach = _reach(mask) + 1
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return (
        slice(max(int(rows[0]) - reach, 0), int(rows[-1]) + reach + 1),
        slice(max(int(cols[0]) - reach, 0), int(cols[-1]) + reach + 1),
    )
