"""Prompts for one object of a volume: hints on some slices, and the region of interest that bounds the object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from sam_infer.arrays import Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import FOREGROUND, Box, Prompts

# Nobody corrects more often one by one; a request must not cost minutes.
MOST_STEPS = 30


@dataclass(frozen=True, eq=False)
class VolumePrompts:
    """Prompts per slice, in voxel indices of one grid.

    `anchors` say what is meant: slices with a box or a mask, else those with the first foreground points. They are
    answered alone. `corrections` are points on other slices: they need what was found there before. `steps` tell how
    all of this grew, turn after turn: slices and what had been said about them by then. `limit` is where the object
    may be at all.
    """

    axis: int
    anchors: dict[int, Prompts]
    corrections: dict[int, Prompts]
    limit: Box | None = None
    painted: Mask | None = None
    start: dict[int, Prompts] = field(default_factory=dict)  # anchors as they were at first; empty: as they are
    steps: tuple[dict[int, Prompts], ...] = ()  # empty: all corrections at once

    def __post_init__(self) -> None:
        if not self.start:
            object.__setattr__(self, "start", self.anchors)
        if not self.steps and self.corrections:
            object.__setattr__(self, "steps", (self.corrections,))

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
        first, known = _first(prompts, parts, flat)
        if not known and limit is not None:
            known = {_middle(limit, axis, geometry)}
        if not known:
            raise PromptError("there is nothing to start from: give a foreground point, a box or a mask", "foreground")
        anchors = {k: _on(prompts, flat, limit, k) for k in sorted(known)}
        corrections = {index: part for index, part in parts.items() if index not in anchors}
        start = {k: _on(prompts.until(first), flat, limit, k) for k in anchors}
        turns = _turns_after(prompts, first)
        steps = tuple(
            {k: _on(prompts.until(turn), flat, limit, k) for k in _spoken_of(prompts, before, turn)}
            for before, turn in pairwise([first, *turns])
        )
        return cls(axis, anchors, corrections, limit, prompts.painted, start, steps)

    def span(self, geometry: Geometry) -> tuple[int, int]:
        """First and last slice where the object may be."""
        if self.limit is None:
            return 0, geometry.shape[self.axis] - 1
        return int(self.limit.low[self.axis]), int(self.limit.high[self.axis])


def _first(prompts: Prompts, parts: dict[int, Prompts], flat: list[Box]) -> tuple[int, set[int]]:
    """The turn that says what is meant, and the slices that it is said on; -1 is what was drawn before any click."""
    boxed = {int(box.low[prompts.axis]) for box in flat}
    drawn = boxed | {index for index, part in parts.items() if part.mask is not None}
    if drawn or not len(prompts.positive):
        return -1, drawn
    first = int(prompts.turns[prompts.labels == FOREGROUND].min())
    said = (prompts.turns == first) & (prompts.labels == FOREGROUND)
    return first, {int(k) for k in prompts.points[said][:, prompts.axis]}


def _turns_after(prompts: Prompts, first: int) -> list[int]:
    """Turns that say more; of very many the last one says the rest."""
    turns = sorted({int(turn) for turn in prompts.turns if turn > first})
    return turns if len(turns) <= MOST_STEPS else [*turns[: MOST_STEPS - 1], turns[-1]]


def _spoken_of(prompts: Prompts, before: int, turn: int) -> list[int]:
    """Slices with points of a turn, or of those left out since the one before; sorted."""
    said = (prompts.turns > before) & (prompts.turns <= turn)
    return sorted({int(k) for k in prompts.points[said][:, prompts.axis]})


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
