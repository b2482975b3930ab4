"""Thin branching structures in a box: ridges of the picture, for labels whose name says that they are such.

A network whose masks have a stride of four pixels draws no vessel two pixels wide, and a box around a tree of vessels
looks to it like a box around the organ behind them. Where the label says "vessels", the answer to a box is therefore
found by the picture alone: second derivatives at a few widths, bright and dark ridges apart, those of the two that are
stronger; what runs on beyond the box belongs to something else, unless hardly anything were left then. Clicks add and
remove what lies near them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float32Array, Float64Array, Int64Array

# Names of what is thin in every picture. An artery or a vein may be a disc as well: not here.
_THIN = re.compile(
    r"(?<![a-z])(micro)?(vessels?|vasculature|capillar(y|ies)|arterioles?|venules?|neurites?|guide ?wires?|catheters?"
    r"|gef(ä|ae)(ß|ss)e?|katheter)(?![a-z])"
)

# Widths that are looked for, as shares of the longer side of the box, at least this many pixels.
WIDTHS, LEAST_WIDTH = (0.004, 0.008, 0.016), 0.7

# A ridge starts where its strength is above Otsu's threshold by the second factor and goes on down to the first.
GOES_ON, STARTS = 0.6, 1.2

# Pieces smaller than this share of the squared side, or than so many pixels, are noise.
SPECK_SHARE, SPECK_PIXELS = 0.0005, 8

# How far beyond the box is looked, and how much of a piece may lie there; shares of its longer side.
AROUND, TOLERANCE, INSIDE = 0.25, 0.03, 0.95

# What ends inside the box is all there is, if it spans at least this share of it.
SPANS = 0.5

# Clicks reach so far, as a share of the longer side, at least so many pixels; what they add may be so weak.
REACH, LEAST_REACH, WEAK = 0.03, 3, 0.3


def is_thin(label: str) -> bool:
    """Whether the name of a label says that it is thin and branches."""
    return _THIN.search(re.sub(r"[_\-\s]+", " ", label.lower())) is not None


def thin_structure(
    pixels: npt.NDArray[Any], box: Int64Array, points: Int64Array, labels: Int64Array
) -> BoolArray | None:
    """The ridges (H, W) in an inclusive box (2, 2) of displayed pixels; None where there are none.

    `points` (N, 2) are clicks (row, column), their `labels` 1 for what belongs to it and 0 for what does not.
    """
    place = _Place.of(box, pixels.shape[:2])
    strengths = ridges(_grey(pixels)[place.window], place.side)
    found = [one for one in (_Found.of(strength, place) for strength in strengths) if one is not None]
    if not found:
        return None
    best = max(found, key=lambda one: one.strength_inside)
    out = np.zeros(pixels.shape[:2], bool)
    out[place.window] = best.with_clicks(points - place.origin, labels)
    return out if out.any() else None


def ridges(grey: Float32Array, side: int) -> tuple[Float32Array, Float32Array]:
    """How much bright and how much dark ridges stand out (H, W), the best of a few widths in a box so long."""
    import cv2  # here, and skimage below: few labels are thin, and both take long to load

    bright = np.zeros_like(grey)
    dark = np.zeros_like(grey)
    for share in WIDTHS:
        sigma = max(LEAST_WIDTH, share * side)
        smooth = cv2.GaussianBlur(grey, (0, 0), sigma)
        down, across = cv2.Sobel(smooth, cv2.CV_32F, 0, 2, ksize=3), cv2.Sobel(smooth, cv2.CV_32F, 2, 0, ksize=3)
        both = cv2.Sobel(smooth, cv2.CV_32F, 1, 1, ksize=3)
        apart = np.sqrt(((across - down) / 2) ** 2 + both**2)
        low, high = (across + down) / 2 - apart, (across + down) / 2 + apart
        stands_out = (np.abs(np.where(-low > high, low, high)) - np.abs(np.where(-low > high, high, low))) * sigma**2
        np.maximum(bright, np.where(-low > high, stands_out, 0), out=bright)
        np.maximum(dark, np.where(-low > high, 0, stands_out), out=dark)
    return bright, dark


@dataclass(frozen=True, eq=False)
class _Place:
    """A box and what is looked at around it."""

    window: tuple[slice, slice]  # of the picture
    origin: Int64Array  # (2,) of the window
    box: tuple[slice, slice]  # in the window
    side: int  # the longer one of the box

    @classmethod
    def of(cls, box: Int64Array, shape: tuple[int, ...]) -> _Place:
        low, stop = box[0], box[1] + 1
        side = int((stop - low).max())
        first = np.maximum(low - int(AROUND * side) - 2, 0)
        last = np.minimum(stop + int(AROUND * side) + 2, shape)
        window = slice(int(first[0]), int(last[0])), slice(int(first[1]), int(last[1]))
        inner = [slice(int(a - f), int(b - f)) for a, b, f in zip(low, stop, first, strict=True)]
        return cls(window, first.astype(np.int64), (inner[0], inner[1]), side)

    def grown(self, shape: tuple[int, ...]) -> BoolArray:
        """The box and a little around it, in the window."""
        more = max(1, round(TOLERANCE * self.side))
        out = np.zeros(shape, bool)
        out[tuple(slice(max(0, one.start - more), one.stop + more) for one in self.box)] = True
        return out


@dataclass(frozen=True, eq=False)
class _Found:
    """Ridges of one kind, in the window of a place."""

    mask: BoolArray
    strength: Float32Array
    threshold: float
    place: _Place

    @classmethod
    def of(cls, strength: Float32Array, place: _Place) -> _Found | None:
        from skimage.filters import apply_hysteresis_threshold, threshold_otsu

        inside = strength[place.box]
        if not inside.max() > 0:
            return None
        threshold = float(threshold_otsu(inside))
        ridge = apply_hysteresis_threshold(strength, threshold * GOES_ON, threshold * STARTS)
        mask = _belonging(ridge, place)
        return cls(mask, strength, threshold, place) if mask.any() else None

    @cached_property
    def strength_inside(self) -> float:
        """How much the ridges stand out on average."""
        return float(self.strength[self.mask].mean())

    def with_clicks(self, points: Int64Array, labels: Int64Array) -> BoolArray:
        """The mask with what is near the foreground clicks, without what is near the background ones."""
        reach = max(LEAST_REACH, round(REACH * self.place.side))
        mask = self.mask.copy()
        for label in (1, 0):
            near = _near(points[labels == label], mask.shape, reach)
            if label:
                mask |= near & (self.strength > WEAK * self.threshold)
            else:
                mask &= ~near
        return mask


def _belonging(ridge: BoolArray, place: _Place) -> BoolArray:
    """The pieces of a ridge mask in the box: those that end there if they span it, else all."""
    inside = np.zeros_like(ridge)
    inside[place.box] = True
    numbered, count = ndimage.label(ridge, np.ones((3, 3)))
    size = np.bincount(numbered[inside], minlength=count + 1)
    large = size >= max(SPECK_PIXELS, SPECK_SHARE * place.side**2)
    large[0] = False
    whole = np.bincount(numbered.ravel(), minlength=count + 1)
    ending = large & (np.bincount(numbered[place.grown(ridge.shape)], minlength=count + 1) >= INSIDE * whole)
    ends_here = ending[numbered] & inside
    return ends_here if _span(ends_here[place.box]) > SPANS else large[numbered] & inside


def _span(mask: BoolArray) -> float:
    """The share of a box (h, w) that the box around what is marked in it has."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float((rows[-1] + 1 - rows[0]) * (cols[-1] + 1 - cols[0]) / mask.size) if len(rows) else 0.0


def _near(points: Int64Array, shape: tuple[int, ...], reach: int) -> BoolArray:
    places = points[((points >= 0) & (points < np.array(shape))).all(axis=1)]
    away = np.ones(shape, bool)
    if not len(places):
        return ~away
    away[tuple(places.T)] = False
    distance: Float64Array = ndimage.distance_transform_edt(away)
    return np.asarray(distance <= reach)


def _grey(pixels: npt.NDArray[Any]) -> Float32Array:
    """Displayed pixels as one channel: green of colour, where blood stands out most."""
    return np.asarray(pixels[..., 1] if pixels.ndim == 3 else pixels, np.float32)
