"""Accepted labels as lessons: slices as a viewer shows them, with the objects on them.

One accepted slice of a volume already teaches: slices without a label teach nothing, and a label that is missing from
a case is unknown there, not background. Every object is a lesson of its own, so no case says what it does not show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import FLAT_SUFFIXES, read_image, read_mask, suffix_of
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.imaging.window import Window, choose_window
from sam_trainer.labels.cases import MIN_PIXELS, Case, components, slice_axis

BoolArray = npt.NDArray[np.bool_]

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
    pixels: npt.NDArray[np.uint8]  # (H, W) or (H, W, 3)
    objects: tuple[LabelledObject, ...]


def lessons_of(case: Case, slices: int = SLICES_PER_LABEL) -> list[Lesson]:
    """The lessons of a case, in a fixed order."""
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
    return [
        Lesson(case.name, volume.digest, view, window, window.apply(volume.pixels(view)), tuple(objects))
        for _, (view, window, objects) in sorted(found.items(), key=lambda item: item[0])
    ]


def labelled_image(case: Case) -> tuple[Volume, Mask]:
    """A case's image and its label on the image's grid; refused when they do not lie on each other."""
    volume, mask = read_image(case.image), read_mask(case.label)
    if suffix_of(case.image) in FLAT_SUFFIXES and mask.geometry.shape == volume.geometry.shape:
        mask = Mask(mask.array, volume.geometry)  # a photograph has no place in space
    mask.require_same_grid(volume.geometry, f"the label of {case.name}")
    if not mask.array.any():
        raise VolumeError(f"the label of {case.name} is empty", "label")
    if case.labels:
        known = set(case.labels) | {inner for values in case.includes.values() for inner in values}
        unknown = sorted(set(mask.values()) - known)
        if unknown:
            raise VolumeError(f"the label of {case.name} holds the value {unknown[0]}, which has no name", "label")
    return volume, mask


def _visible(mask: BoolArray, axis: int, most: int) -> Sequence[int]:
    areas = mask.sum(axis=tuple(a for a in range(3) if a != axis))
    indices = np.flatnonzero(areas >= MIN_PIXELS)
    if len(indices) <= most:
        return [int(index) for index in indices]
    return [int(indices[int((n + 0.5) * len(indices) / most)]) for n in range(most)]


def _typical(volume: Volume, pixels: npt.NDArray[np.float64], part: BoolArray) -> float | None:
    """What a click on the object would point at."""
    return None if volume.is_colour else float(np.median(pixels[part]))
