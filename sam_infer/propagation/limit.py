"""Limits of an object in 3D: which pixels of a slice lie inside, how many slices there are, and where it tapers off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.object_prompts import Box
from sam_infer.prompts.volume_prompts import VolumePrompts

# Prompted slices tell where an object tapers off if that is no further away than so many of their own spans; it may
# be so much longer than they say.
TRUSTED, SPARE = 1.0, 1.5


def inside(limit: Box | None, view: SliceView) -> BoolArray:
    """Pixels (H, W) of a slice that lie inside a box; all of them without one."""
    if limit is None:
        return np.ones((view.height, view.width), bool)
    allowed = np.zeros((view.height, view.width), bool)
    if limit.low[view.axis] <= view.index <= limit.high[view.axis]:
        corners = view.to_display(np.stack([limit.low, limit.high])).astype(int)
        (top, left), (bottom, right) = corners.min(axis=0), corners.max(axis=0)
        allowed[top : bottom + 1, left : right + 1] = True
    return allowed


def most_slices(said: VolumePrompts, geometry: Geometry) -> int:
    """How many slices are computed if the object reaches every end: between two prompts each is followed twice."""
    span = said.span(geometry)
    prompted = set(said.start)
    most = len(prompted) + _reached(prompted, *span)
    for step in said.steps:  # what arrived there, the answer, and everything around it anew
        before, prompted = prompted, prompted | set(step)
        most += (
            len(step) + sum(_gap(before, index) for index in step) + _reached(prompted, *span) - _reached(before, *span)
        )
    return most


def tapered(areas: Mapping[int, int], prompted: Iterable[int], low: int, high: int) -> tuple[int, int]:
    """What of the slices `low`..`high` an object can reach whose outlines on three slices or more have these `areas`.

    Sections of an ellipsoid have areas on a parabola along its axis: where that ends, the object has tapered off. On a
    side where the reader spoke about a slice further out, nothing is concluded.
    """
    known = {index: area for index, area in sorted(areas.items()) if area}
    if len(known) < 3:
        return low, high
    first, last, spoken = min(known), max(known), set(prompted)
    middle = (first + last) / 2
    bend, slope, area = np.polyfit(np.array(list(known)) - middle, np.array(list(known.values()), np.float64), 2)
    if bend >= 0:
        return low, high
    top = -slope / (2 * bend)
    half = float(np.sqrt(max(area + slope * top / 2, 0.0) / -bend))
    below, above = first - (middle + top - half), middle + top + half - last
    if 0 <= below <= TRUSTED * (last - first) and min(spoken) >= first:
        low = max(low, int(np.ceil(first - SPARE * below)))
    if 0 <= above <= TRUSTED * (last - first) and max(spoken) <= last:
        high = min(high, int(np.floor(last + SPARE * above)))
    return low, high


def _reached(prompted: set[int], low: int, high: int) -> int:
    indices = sorted(prompted)
    between = sum(second - first - 1 for first, second in pairwise(indices))
    return max(indices[0] - low, 0) + max(high - indices[-1], 0) + 2 * between


def _gap(prompted: set[int], index: int) -> int:
    """Slices that are followed to see what arrives at one."""
    below, above = (
        max((k for k in prompted if k < index), default=None),
        min((k for k in prompted if k > index), default=None),
    )
    if below is not None and above is not None:
        return 2 * (above - below - 1)
    return abs(index - (below if below is not None else above if above is not None else index))
