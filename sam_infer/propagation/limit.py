"""Limits of an object in 3D: which pixels of a slice lie inside, and how many slices there can be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.object_prompts import Box
from sam_infer.prompts.volume_prompts import VolumePrompts


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
