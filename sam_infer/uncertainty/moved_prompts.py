"""Prompts moved as a hand moves them: every edge of a box, and the newest points, a little each way.

All of it happens on the display, where a reader's hand is: what is said about an edge is said in that reader's words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sam_infer.arrays import Float64Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.look import box_corners

# A reader's box is as far off (share of its side), and a reader's point (mm).
BOX_SHARE, POINT_MM = 0.1, 3.0

# Of many points the older ones were answered already.
NEWEST = 2

# By axis of the display (row, column) and direction.
WAYS = (("up", "down"), ("left", "right"))
EDGES = (("top", "left"), ("bottom", "right"))  # by corner, then axis


@dataclass(frozen=True, eq=False)
class Moved:
    """The same hints with one of them moved."""

    what: str  # as people call it: "the left edge of the box"
    way: str
    mm: float
    at: Float64Array  # (2,) row and column of what was moved, before
    prompts: Prompts


def moved_prompts(here: Prompts, view: SliceView) -> Iterator[Moved]:
    """Every hint of a slice moved once each way, as far as the slice goes."""
    if here.box is not None:
        yield from _boxes(here, view)
    newest = np.argsort(here.turns, kind="stable")[-NEWEST:]
    for number in newest:
        yield from _points(here, view, int(number))


def _boxes(here: Prompts, view: SliceView) -> Iterator[Moved]:
    corners = np.stack(box_corners(here, view))
    middle, limits = corners.mean(axis=0), (view.height - 1, view.width - 1)
    for corner in (0, 1):
        for axis in (0, 1):
            step = max(1, round(BOX_SHARE * float(corners[1, axis] - corners[0, axis] + 1)))
            for towards in (0, 1):
                moved = corners.copy()
                moved[corner, axis] = np.clip(moved[corner, axis] + (step if towards else -step), 0, limits[axis])
                way = abs(float(moved[corner, axis] - corners[corner, axis]))
                if not way or moved[0, axis] > moved[1, axis]:
                    continue
                at = middle.copy()
                at[axis] = corners[corner, axis]
                box = Box.of(*view.to_stored(moved))
                what = f"the {EDGES[corner][axis]} edge of the box"
                yield Moved(what, WAYS[axis][towards], way * view.pixel_mm[axis], at, replace(here, box=box))


def _points(here: Prompts, view: SliceView, number: int) -> Iterator[Moved]:
    at, limits = view.to_display(here.points[number])[0], (view.height - 1, view.width - 1)
    what = "this point" if here.labels[number] else "this background point"
    for axis in (0, 1):
        step = max(1, round(POINT_MM / view.pixel_mm[axis]))
        for towards in (0, 1):
            moved = at.copy()
            moved[axis] = np.clip(moved[axis] + (step if towards else -step), 0, limits[axis])
            way = abs(float(moved[axis] - at[axis]))
            if not way:
                continue
            points = here.points.copy()
            points[number] = view.to_stored(moved)[0].astype(np.int64)
            yield Moved(what, WAYS[axis][towards], way * view.pixel_mm[axis], at, replace(here, points=points))
