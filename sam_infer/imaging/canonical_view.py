"""Canonical volume for scoring: cropped to the body, repeated slices dropped, subsampled to a few slices.

A score must not depend on how a scan was cropped, padded or resliced, or ranks would follow the scanner and not the
anatomy. What is left is the same for all such copies of a patient, and its size is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume

# Denser than lung; brighter than a tenth of what is bright.
BODY_HU = -500.0
BRIGHT_SHARE = 0.1

# A line belongs to the body when it holds this share of the fullest line's body: specks do not.
LEAST_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class CanonicalView:
    """Which voxels of a volume are looked at."""

    axis: int  # slices run across it
    low: tuple[int, int, int]
    high: tuple[int, int, int]  # exclusive
    slices: tuple[int, ...]  # stored indices along `axis`, ascending
    step: float  # distance of two of them, in slices that are not repeated

    @classmethod
    def of(cls, volume: Volume, axis: int, most: int | None = None) -> CanonicalView:
        """The body's box, and at most so many of its distinct slices, evenly spread."""
        low, high = _body_box(volume)
        distinct = _distinct(volume, axis, range(low[axis], high[axis]))
        count = min(len(distinct), most or len(distinct))
        places = (np.arange(count) + 0.5) * len(distinct) / count - 0.5
        chosen = tuple(distinct[int(p)] for p in np.floor(places + 0.5).clip(0, len(distinct) - 1))
        return cls(axis, low, high, chosen, len(distinct) / count)

    def volume(self, volume: Volume) -> Volume:
        """The part of an image, as an image of its own."""
        return Volume(np.asfortranarray(self._cut(volume.array)), self._geometry(volume.geometry), volume.modality)

    def mask(self, mask: Mask) -> Mask:
        """The same part of a label map on the image's grid."""
        return Mask(np.asfortranarray(self._cut(mask.array)), self._geometry(mask.geometry))

    def _cut(self, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
        index: list[slice | list[int]] = [slice(a, b) for a, b in zip(self.low, self.high, strict=True)]
        index[self.axis] = list(self.slices)
        return array[tuple(index)]

    def _geometry(self, geometry: Geometry) -> Geometry:
        first = np.array(self.low, np.float64)
        first[self.axis] = self.slices[0]
        affine = geometry.affine.copy()
        affine[:3, 3] = geometry.to_world(first)[0]
        affine[:3, self.axis] *= self.step
        shape = [b - a for a, b in zip(self.low, self.high, strict=True)]
        shape[self.axis] = len(self.slices)
        return Geometry((shape[0], shape[1], shape[2]), affine)


def _body_box(volume: Volume) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Corners of what is not air; the whole image where nothing stands out, and of a photograph."""
    shape = volume.geometry.shape
    everything = (0, 0, 0), (shape[0], shape[1], shape[2])
    if volume.is_colour:
        return everything
    body = volume.array > _threshold(volume)
    if not body.any():
        return everything
    lows, highs = [], []
    for axis in range(3):
        counts = np.count_nonzero(body, axis=tuple(a for a in range(3) if a != axis))
        inside = np.flatnonzero(counts > LEAST_SHARE * counts.max())
        lows.append(int(inside[0]))
        highs.append(int(inside[-1]) + 1)
    return (lows[0], lows[1], lows[2]), (highs[0], highs[1], highs[2])


def _threshold(volume: Volume) -> float:
    if volume.modality == "CT":
        return BODY_HU
    darkest = float(volume.array.min())
    above = volume.array[volume.array > darkest]  # padding must not move the percentile
    bright = float(np.percentile(above, 99)) if above.size else darkest
    return darkest + BRIGHT_SHARE * (bright - darkest)


def _distinct(volume: Volume, axis: int, indices: range) -> list[int]:
    """Slices that differ from the one before."""
    kept: list[int] = []
    for index in indices:
        here = np.take(volume.array, index, axis)
        if not kept or not np.array_equal(here, np.take(volume.array, kept[-1], axis)):
            kept.append(index)
    return kept
