"""Prompts for one object of a volume: hints on some slices, and the region of interest that bounds the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam_infer.arrays import Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import FOREGROUND, Box, Prompts


@dataclass(frozen=True, eq=False)
class VolumePrompts:
    """Prompts per slice, in voxel indices of one grid.

    `anchors` can be answered alone. `corrections` only say what the object is not, or where an earlier mask is to be
    kept: they need what was found before. `limit` is where the object may be at all.
    """

    axis: int
    anchors: dict[int, Prompts]
    corrections: dict[int, Prompts]
    limit: Box | None = None
    painted: Mask | None = None

    @classmethod
    def of(cls, prompts: Prompts, geometry: Geometry, boxes: Sequence[Box] = ()) -> VolumePrompts:
        """Hints of any kind as slices across `prompts.axis`.

        A box of one slice is a prompt on that slice; a thicker one is a hard limit, and a prompt on every slice with a
        point and, without points or a mask, on its middle slice. `boxes` are further boxes of one slice each. Every
        slice of a prior mask is a prompt.
        """
        prompts = prompts.checked(geometry)
        axis, flat, limit = prompts.axis, [box.clipped(geometry) for box in boxes], None
        for box in flat:
            if box.low[axis] != box.high[axis]:
                raise PromptError("each of `boxes` must lie on one slice; use `roi` for a limit in 3D", "boxes")
        if prompts.box is not None and prompts.box.low[axis] == prompts.box.high[axis]:
            flat.append(prompts.box)
        else:
            limit = prompts.box
        prompts = _within(prompts, limit)
        parts = {index: _on(prompts, flat, limit, index) for index in _touched(prompts, flat)}
        anchors = {k: p for k, p in parts.items() if len(p.positive) or p.box is not None or p.mask is not None}
        if not anchors and limit is not None:
            middle = _middle(limit, axis, geometry)
            anchors[middle] = _on(prompts, flat, limit, middle)
        if not anchors:
            raise PromptError("there is nothing to start from: give a foreground point, a box or a mask", "foreground")
        corrections = {index: part for index, part in parts.items() if index not in anchors}
        return cls(axis, anchors, corrections, limit, prompts.painted)

    def span(self, geometry: Geometry) -> tuple[int, int]:
        """First and last slice where the object may be."""
        if self.limit is None:
            return 0, geometry.shape[self.axis] - 1
        return int(self.limit.low[self.axis]), int(self.limit.high[self.axis])


def _within(prompts: Prompts, limit: Box | None) -> Prompts:
    """Prompts that agree with the limit: foreground outside is refused, background outside says nothing new."""
    if limit is None:
        return prompts
    inside = ((prompts.points >= limit.low) & (prompts.points <= limit.high)).all(axis=1)
    for point in prompts.points[~inside & (prompts.labels == FOREGROUND)]:
        raise PromptError(
            f"foreground point {point.tolist()} lies outside the roi {limit.low.tolist()}..{limit.high.tolist()}; "
            "move the point or remove the roi",
            "roi",
        )
    keep = inside | (prompts.labels == FOREGROUND)
    return prompts.kept(keep)


def _touched(prompts: Prompts, flat: list[Box]) -> list[int]:
    touched = {*prompts.slices(), *(int(box.low[prompts.axis]) for box in flat)}
    if prompts.mask is not None:
        touched |= set(_filled(prompts.mask, prompts.axis).tolist())
    return sorted(touched)


def _filled(mask: Mask, axis: int) -> Int64Array:
    """Indices along `axis` where a mask is not empty."""
    others = tuple(a for a in range(3) if a != axis)
    return np.flatnonzero(mask.array.any(axis=others))


def _on(prompts: Prompts, flat: list[Box], limit: Box | None, index: int) -> Prompts:
    """The prompts of one slice; a mask only where it says something there."""
    here = replace(prompts, box=limit).on_slice(index)
    boxes = [box for box in flat if box.low[prompts.axis] == index]
    if len(boxes) > 1:
        raise PromptError(f"slice {index} has {len(boxes)} boxes; one object has one box per slice", "boxes")
    if boxes:
        here = replace(here, box=boxes[0])
    elif not len(here.positive) and len(here.points):
        here = replace(here, box=None)  # background alone corrects: the limit is no outline of the object
    if here.mask is not None and not np.take(here.mask.array, index, prompts.axis).any():
        here = replace(here, mask=None)
    return here


def _middle(limit: Box, axis: int, geometry: Geometry) -> int:
    """The middle slice of a box; of two the one nearer to the patient's right, back or feet, however stored."""
    low, high = int(limit.low[axis]), int(limit.high[axis])
    towards_positive = geometry.world_axes[axis][1] > 0
    return (low + high) // 2 if towards_positive else (low + high + 1) // 2
