"""Lessons (training samples): accepted labels as slices in display orientation, with the objects on them.

One accepted slice of a volume already teaches: slices without a label teach nothing, and a label that is missing from
a case is unknown there, not background. Every object is a lesson of its own, so no case says what it does not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sam_infer.arrays import BoolArray, Float64Array, UInt8Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import NO_TAGS, Tags, Volume
from sam_infer.imaging.window import Window, choose_window
from sam_trainer.labels.cases import MIN_PIXELS, Case, case_tags, components, labelled_image, slice_axis

# Slices of one label of one case, evenly spread: neighbours teach the same.
SLICES_PER_LABEL = 16


@dataclass(frozen=True, eq=False)
class LabelledObject:
    """One object on a displayed slice."""

    label: str
    mask: BoolArray  # (H, W)


@dataclass(frozen=True, eq=False)
class Lesson:
    """One slice under one window, with every labelled object on it that this window suits."""

    case: str
    image: str  # digest of the volume
    view: SliceView
    window: Window
    stack: UInt8Array  # (depth, H, W) or (depth, H, W, 3), this slice in the middle
    objects: tuple[LabelledObject, ...]
    tags: Tags = NO_TAGS

    @property
    def pixels(self) -> UInt8Array:
        """The slice itself (H, W) or (H, W, 3)."""
        return middle_of(self.stack)


def lessons_of(case: Case, slices: int = SLICES_PER_LABEL, depth: int = 1) -> list[Lesson]:
    """The lessons of a case, in a fixed order, for a network that looks at `depth` slices."""
    volume, mask = labelled_image(case)
    axis = slice_axis(volume.geometry)
    names = case.labels or {value: f"label {value}" for value in mask.values()}
    found: dict[tuple[int, str], tuple[SliceView, Window, list[LabelledObject]]] = {}
    for value, name in sorted(names.items()):
        whole = np.isin(mask.array, (value, *case.includes.get(value, ())))
        for index in _visible(whole, axis, slices):
            view = volume.view(axis, index)
            pixels = volume.pixels(view)
            for part in components(view.extract(whole)):
                window = choose_window(volume, target=_typical(volume, pixels, part))
                entry = found.setdefault((index, window.key), (view, window, []))
                entry[2].append(LabelledObject(name, part))
    tags, stack = case_tags(case, volume), partial(displayed_stack, volume, depth=depth)
    return [
        Lesson(case.name, volume.digest, view, window, stack(view, window), tuple(objects), tags)
        for _, (view, window, objects) in sorted(found.items(), key=lambda item: item[0])
    ]


def displayed_stack(volume: Volume, view: SliceView, window: Window, depth: int) -> UInt8Array:
    """A slice and its neighbours as a viewer shows them: (depth, H, W) or (depth, H, W, 3)."""
    return np.stack([window.apply(volume.pixels(one)) for one in view.neighbours(depth)])


def middle_of(stack: UInt8Array) -> UInt8Array:
    """The slice that a stack is about."""
    middle: UInt8Array = stack[len(stack) // 2]
    return middle


def _visible(mask: BoolArray, axis: int, most: int) -> Sequence[int]:
    areas = mask.sum(axis=tuple(a for a in range(3) if a != axis))
    indices = np.flatnonzero(areas >= MIN_PIXELS)
    if len(indices) <= most:
        return [int(index) for index in indices]
    return [int(indices[int((n + 0.5) * len(indices) / most)]) for n in range(most)]


def _typical(volume: Volume, pixels: Float64Array, part: BoolArray) -> float | None:
    """What a click on the object would point at."""
    return None if volume.is_colour else float(np.median(pixels[part]))
