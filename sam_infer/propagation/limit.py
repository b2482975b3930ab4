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
    low, high = said.span(geometry)
    prompted = sorted({*said.anchors, *said.corrections})
    between = sum(second - first - 1 for first, second in pairwise(prompted))
    return len(prompted) + max(prompted[0] - low, 0) + max(high - prompted[-1], 0) + 2 * between
