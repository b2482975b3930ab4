"""`samlabel predict`: one object of one image file, without a server."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_infer.errors import PromptError

if TYPE_CHECKING:
    from sam_infer.predictor import Prediction
    from sam_infer.prompts import Prompts
    from sam_infer.volume import Volume


class Plane(StrEnum):
    """Which way slices run; without one they follow the file's third axis."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


class Mode(StrEnum):
    """How far an answer reaches."""

    SLICE = "2d"


def predict(  # noqa: PLR0913 - every parameter is an option of the command
    image: Annotated[Path, typer.Argument(help="NIfTI, NRRD, MetaImage, PNG, JPEG, TIFF, or a DICOM folder.")],
    point: Annotated[
        list[str] | None, typer.Option(help="Voxel i,j,k on the object, or i,j,k,- beside it; may be repeated.")
    ] = None,
    box: Annotated[
        str | None, typer.Option(help="i0,j0,i1,j1 or i0,j0,i1,j1,k around it; six numbers are two corners i,j,k.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the mask goes; default: beside you, NAME_mask.")] = None,
    plane: Annotated[Plane | None, typer.Option(help="Anatomical plane of the slice.")] = None,
    mode: Annotated[Mode, typer.Option(help="One slice.")] = Mode.SLICE,
    model: Annotated[str, typer.Option(help="Which network answers; see `samlabel models list`.")] = "tiny",
    window: Annotated[str, typer.Option(help="auto, soft_tissue, lung, bone, brain, file, percentile, ...")] = "auto",
    candidate: Annotated[int | None, typer.Option(min=0, max=2, help="Another of the three masks.")] = None,
    zoom: Annotated[bool, typer.Option(help="Look closer at small objects.")] = True,
    keep_largest: Annotated[bool, typer.Option("--keep-largest", help="Drop all but the largest part.")] = False,
    fill_holes: Annotated[bool, typer.Option("--fill-holes", help="Close holes.")] = False,
) -> None:
    """Segment what the points and the box mean, and write the mask on the image's own grid."""
    from sam_infer.embedding import EmbeddingCache  # torch and itk: half a second that help need not pay
    from sam_infer.image_file import read_image, write_mask
    from sam_infer.models import load_backbone
    from sam_infer.predictor import Options, Predictor
    from sam_infer.zoom import ZoomPolicy

    started = time.perf_counter()
    volume = read_image(image)
    prompts, index = parse_prompts(volume, point or [], box, plane.value if plane else None)
    options = Options(window, ZoomPolicy() if zoom else None, candidate, keep_largest, fill_holes)
    prediction = Predictor(load_backbone(model), EmbeddingCache()).predict(volume, prompts, index, options)
    target = write_mask(prediction.mask(volume), out or default_out(image, volume))
    _report(prediction, target, time.perf_counter() - started)


def parse_prompts(volume: Volume, points: list[str], box: str | None, plane: str | None) -> tuple[Prompts, int]:
    """The prompts of a command line and the slice they lie on: that of the last point on the object, else the box's."""
    import numpy as np  # after help

    from sam_infer.prompts import Box, Prompts
    from sam_infer.slice_choice import Marks, choose_slice

    axis = 2 if plane is None else volume.geometry.axis_of_plane(plane)
    voxels, labels = [], []
    for text in points:
        parts = text.replace(" ", "").split(",")
        labels.append(0 if parts[-1] == "-" else 1)
        voxels.append(_numbers("point", ",".join(parts[:-1] if parts[-1] in "+-" else parts), (3,), volume))
    array = np.array(voxels, np.int64).reshape(-1, 3)
    chosen = np.array(labels, np.int64)
    corners = Box.of(*_corners(box, array, volume)).clipped(volume.geometry) if box else None
    prompts = Prompts(axis, array, chosen, corners).checked(volume.geometry)
    marks = Marks(array[chosen == 1], array[chosen == 0], corners)
    index, notes = choose_slice(volume.geometry, axis, None, marks)
    for note in notes:
        typer.secho(note, fg="yellow", err=True)
    return prompts, index


def default_out(image: Path, volume: Volume) -> Path:
    """The mask's file in the working directory: the image's name, a format that can hold it."""
    from sam_infer.image_file import suffix_of  # after help

    name = image.resolve().name
    stem = name[: len(name) - len(suffix_of(image))] if image.is_file() else name
    return Path(f"{stem}_mask{'.png' if volume.is_colour or volume.geometry.shape[2] == 1 else '.nii.gz'}")


def _corners(box: str, points: object, volume: Volume) -> tuple[list[int], list[int]]:
    """Two corners of a box that was given in one slice or in space."""
    numbers = _numbers("box", box, (4, 5, 6), volume)
    if len(numbers) == 6:
        return numbers[:3], numbers[3:]
    i0, j0, i1, j1 = numbers[:4]
    if len(numbers) == 5:
        k = numbers[4]
    elif volume.geometry.shape[2] == 1:
        k = 0
    else:
        slices = {int(p[2]) for p in points}  # type: ignore[attr-defined]
        if len(slices) != 1:
            raise PromptError("box needs its slice: i0,j0,i1,j1,k", "box")
        k = slices.pop()
    return [i0, j0, k], [i1, j1, k]


def _numbers(name: str, text: str, lengths: tuple[int, ...], volume: Volume) -> list[int]:
    """Whole numbers between commas; a point of a picture may leave out its only slice."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise PromptError(f"{name} must be whole numbers between commas, got {text!r}", name) from None
    if name == "point" and len(numbers) == 2 and volume.geometry.shape[2] == 1:
        numbers.append(0)
    if len(numbers) not in lengths:
        wanted = " or ".join(str(length) for length in lengths)
        raise PromptError(f"{name} must have {wanted} numbers, got {text!r}", name)
    return numbers


def _report(prediction: Prediction, target: Path, seconds: float) -> None:
    typer.echo(
        f"{target}: {int(prediction.pixels.sum())} voxels on slice {prediction.view.index} "
        f"(axis {'ijk'[prediction.view.axis]}), score {prediction.score:.2f}, stability {prediction.stability:.2f}, "
        f"window {prediction.window.name}, {seconds:.1f} s"
    )
