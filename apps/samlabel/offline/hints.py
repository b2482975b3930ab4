"""Points and boxes as a command line says them, and the prompts that they are on an image; needs no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.arrays import Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.slice_index import Marks

POINT_NUMBERS, BOX_NUMBERS = (3,), (4, 5, 6)


def require_readable(points: Sequence[str], box: str | None) -> None:
    """Refuse what is no point or no box of any image."""
    for text in points:
        _numbers("point", _voxel(text), (2, *POINT_NUMBERS))
    if box is not None:
        _numbers("box", box, BOX_NUMBERS)


def prompts_by_name(file: Path | None, images: Mapping[str, Path]) -> dict[str, dict[str, Any]] | None:
    """The hints of each image of a folder, checked; None without a file."""
    if file is None:
        return None
    try:
        told = json.loads(file.read_text())
        said = {
            str(name): {
                "points": tuple(map(str, hints.get("point", ()))),
                "box": hints.get("box"),
                "plane": hints.get("plane"),
            }
            for name, hints in told.items()
        }
    except OSError as error:
        raise PromptError(f"--prompts {file} cannot be read ({error.strerror})", "prompts") from None
    except (ValueError, AttributeError, TypeError):
        raise PromptError(
            f'{file.name} must be JSON such as {{"NAME": {{"point": ["i,j,k"], "box": "i0,j0,i1,j1,k"}}}}', "prompts"
        ) from None
    unknown = sorted(set(said) - set(images))
    if unknown:
        raise PromptError(f"{file.name} names {unknown[0]!r}, and the folder has no such image", "prompts")
    for hints in said.values():
        require_readable(hints["points"], hints["box"])
    return said


def parsed(volume: Volume, points: Sequence[str], box: str | None, plane: str | None) -> tuple[Prompts, Marks]:
    """The prompts of a command line, and the same in the order in which they were typed."""
    axis = 2 if plane is None else volume.geometry.axis_of_plane(plane)
    voxels, labels = [], []
    for text in points:
        labels.append(0 if text.rstrip().endswith(",-") else 1)
        voxels.append(_point(_voxel(text), volume))
    array, chosen = np.array(voxels, np.int64).reshape(-1, 3), np.array(labels, np.int64)
    corners = Box.of(*_corners(box, array, volume)).clipped(volume.geometry) if box else None
    prompts = Prompts(axis, array, chosen, corners, turns=np.arange(len(array))).checked(volume.geometry)
    return prompts, Marks(array[chosen == 1], array[chosen == 0], corners)


def _voxel(text: str) -> str:
    """The numbers of a point without the sign that says which side it is on."""
    parts = text.replace(" ", "").split(",")
    return ",".join(parts[:-1] if parts[-1] in ("+", "-") else parts)


def _point(text: str, volume: Volume) -> list[int]:
    """A voxel; one of a picture may leave out its only slice."""
    flat = volume.geometry.shape[2] == 1
    numbers = _numbers("point", text, (2, *POINT_NUMBERS) if flat else POINT_NUMBERS)
    return [*numbers, 0][:3]


def _corners(box: str, points: Int64Array, volume: Volume) -> tuple[list[int], list[int]]:
    """Two corners of a box that was given in one slice or in space."""
    numbers = _numbers("box", box, BOX_NUMBERS)
    if len(numbers) == 6:
        return numbers[:3], numbers[3:]
    i0, j0, i1, j1 = numbers[:4]
    if len(numbers) == 5:
        k = numbers[4]
    elif volume.geometry.shape[2] == 1:
        k = 0
    else:
        slices = {int(p[2]) for p in points}
        if len(slices) != 1:
            raise PromptError("box needs its slice: i0,j0,i1,j1,k", "box")
        k = slices.pop()
    return [i0, j0, k], [i1, j1, k]


def _numbers(name: str, text: str, lengths: tuple[int, ...]) -> list[int]:
    """Whole numbers between commas."""
    try:
        numbers = [int(part) for part in str(text).split(",")]
    except ValueError:
        raise PromptError(f"{name} must be whole numbers between commas, got {text!r}", name) from None
    if len(numbers) not in lengths:
        wanted = " or ".join(str(length) for length in lengths)
        raise PromptError(f"{name} must have {wanted} numbers, got {text!r}", name)
    return numbers
