"""Reads and writes images and label maps (NIfTI, NRRD, MetaImage, DICOM series, PNG, JPEG, TIFF) through ITK.

Only ordinary NIfTI files take a shorter way (`plain_nifti`, `claims/nifti_place`), in ITK's numbers to the last bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import itk
import numpy as np
import numpy.typing as npt
import structlog

from sam_infer.errors import VolumeError
from sam_infer.files import write_whole
from sam_infer.imaging.arriving import ArrivingVolume, on_its_way
from sam_infer.imaging.cine import Cine, CineMask
from sam_infer.imaging.claims.claim import refusal, require_whole, shown
from sam_infer.imaging.dicom_frames import frames_in_time
from sam_infer.imaging.dicom_phases import files_by_phase
from sam_infer.imaging.dicom_tags import dicom_claim, image_tags, uneven_slices, window_and_modality
from sam_infer.imaging.file_check import require_claim, require_complete, require_series
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import (
    LPS_TO_RAS,
    finite,
    first_line,
    header_affine,
    phases_of,
    read_itk,
    to_itk,
    to_itk_in_time,
)
from sam_infer.imaging.plain_nifti import PlainHeader, plain_header, read_voxels
from sam_infer.imaging.volume import NO_TAGS, Mask, Phase, Volume, named_modality

log = structlog.get_logger(__name__)

SUFFIXES = (
    ".nii.gz",
    ".nii",
    ".nrrd",
    ".nhdr",
    ".mha",
    ".mhd",
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".dcm",
)
FLAT_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def suffix_of(path: Path) -> str:
    """The image suffix, `.nii.gz` included; empty when it is none of ours."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def read_image(path: str | os.PathLike[str], modality: str | None = None, phase: int | None = None) -> Volume:
    """The image at `path`: a file, or a folder that holds one DICOM series; of one with phases the one that is named.

    `modality` overrides what is guessed.
    """
    return read_cine(path, modality).at(phase)


def read_cine(
    path: str | os.PathLike[str],
    modality: str | None = None,
    arriving: Callable[[ArrivingVolume], object] = lambda _: None,
) -> Cine:
    """The same with all of its phases; what can be looked at before it has been read is handed to `arriving`."""
    path = Path(path)
    if not path.exists():
        raise VolumeError(f"there is no file {path.name}", "image")
    if path.is_dir():
        return _read_series(path, modality)
    require_claim(path, suffix_of(path))
    try:
        plain = _read_plain(path, modality, arriving)
    except MemoryError:
        raise refusal(path.name, "this machine has not enough memory for it now") from None
    if plain is not None:
        return Cine((plain,))
    require_complete(path, suffix_of(path))
    image = read_itk(path, suffix_of(path))
    arrays, geometry = phases_of(image, path.name)
    if suffix_of(path) in FLAT_SUFFIXES:
        # Resolution tags of photographs say nothing about the patient.
        geometry = Geometry(geometry.shape, LPS_TO_RAS)
    window, found = window_and_modality(image) if suffix_of(path) == ".dcm" else (None, None)
    tags = image_tags(path) if suffix_of(path) == ".dcm" else NO_TAGS
    named = named_modality(arrays[0], modality or found)
    step = round(float(image.GetSpacing()[3]), 6) if len(arrays) > 1 else 1.0
    if suffix_of(path) == ".dcm":
        arrays, geometry, step = _unrolled(arrays, geometry, path)
    return Cine.of([Volume(array, geometry, named, window, tags=tags) for array in arrays], step)


def read_geometry(path: str | os.PathLike[str]) -> Geometry:
    """The grid of the image at `path`; of an ordinary file the voxels are not read."""
    return read_grid(path)[0]


def read_grid(path: str | os.PathLike[str]) -> tuple[Geometry, Phase | None]:
    """The same, and the first phase of an image in time, which tells how many there are."""
    path = Path(path)
    header = plain_header(path) if path.is_file() else None
    if header is None:
        first = read_image(path)
        return first.geometry, first.phase
    require_complete(path, suffix_of(path))  # a label must not be taken for an image that cannot be read
    return _grid(path, header), None


def read_mask(path: str | os.PathLike[str], grid: Geometry | None = None) -> Mask:
    """The label map at `path`, of one with phases the first that is marked; values must be whole numbers from 0 to 255.

    One whose header claims another size than `grid` is refused before memory is taken for it.
    """
    return read_marked(path, grid)[0]


def read_marked(path: str | os.PathLike[str], grid: Geometry | None = None) -> tuple[Mask, int | None]:
    """The same, and which phase that is; None where there are none."""
    mask = read_cine_mask(path, grid)
    if len(mask.phases) == 1:
        return mask.phases[0], None
    phase = next(iter(mask.marked), 0)
    return mask.phases[phase], phase


def read_cine_mask(path: str | os.PathLike[str], grid: Geometry | None = None, phases: int | None = None) -> CineMask:
    """The same with all of its phases; `phases` are as many as it may have, where it has any."""
    path = Path(path)
    if grid is not None:
        _require_size_of(path, grid, phases)
    cine = read_cine(path)
    return CineMask(tuple(_as_mask(one, path) for one in cine.phases), cine.step_s)


def _as_mask(volume: Volume, path: Path) -> Mask:
    if volume.is_colour:
        raise VolumeError(f"{path.name} is a colour image, not a label map", "label")
    array = volume.array
    if array.dtype != np.uint8 and not _whole_numbers(array):
        raise VolumeError(f"{path.name} holds values other than the whole numbers 0..255", "label")
    return Mask(array.astype(np.uint8, copy=False), volume.geometry)


def _require_size_of(path: Path, grid: Geometry, phases: int | None) -> None:
    claim = require_claim(path, suffix_of(path)) if path.is_file() else None
    claimed = claim.sizes if claim is not None else ()
    sizes, times = claimed[:3], claimed[3] if len(claimed) > 3 else 1
    if sizes != grid.shape[: len(sizes)]:  # of pictures in one file only the first is claimed
        raise VolumeError(
            f"{path.name} has another grid than the image: {shown(sizes)} voxels against {grid.describe()}; "
            "resample it to the image first",
            "label",
        )
    if phases is not None and times not in (1, phases):
        wanted = f"{phases} phases" if phases > 1 else "none, or one of them is asked about"
        raise VolumeError(f"{path.name} has {times} phases; the image has {wanted}", "label")


def _whole_numbers(array: npt.NDArray[Any]) -> bool:
    """Whether every value fits into a label map."""
    if float(array.min()) < 0 or float(array.max()) > 255:
        return False
    return bool(np.issubdtype(array.dtype, np.integer)) or np.array_equal(array, np.rint(array))


def write_mask(mask: Mask, path: str | os.PathLike[str], compress: bool = True) -> Path:
    """Write a label map in the format its suffix names; appears whole or not at all."""
    path = Path(path)
    flat = require_mask_format(path, mask.array.shape[2]) in FLAT_SUFFIXES
    return _write(to_itk(mask.array, mask.geometry, flat), path, compress and not flat)


def write_cine_mask(mask: CineMask, path: str | os.PathLike[str], compress: bool = True) -> Path:
    """The same with all of its phases; of a single one an ordinary label map."""
    path = Path(path)
    if len(mask.phases) == 1:
        return write_mask(mask.phases[0], path, compress)
    if require_mask_format(path, 1) in FLAT_SUFFIXES:
        raise VolumeError(f"{path.name}: phases do not fit into a {suffix_of(path)} file; use .nii.gz", "out")
    image = to_itk_in_time([one.array for one in mask.phases], mask.geometry, mask.step_s)
    return _write(image, path, compress)


def _write(image: Any, path: Path, compress: bool) -> Path:
    try:
        write_whole(path, lambda part: itk.imwrite(image, str(part), compression=compress))
    except RuntimeError as error:
        log.error("a label map could not be written", file=path.name, reason=first_line(error))
        raise VolumeError(f"{path.name} could not be written: is there room, and may it be written?", "out") from error
    except OSError as error:
        raise VolumeError(f"{path.name} could not be written: {error.strerror}", "out") from error
    return path


def require_mask_format(path: Path, slices: int) -> str:
    """The suffix of a file that can hold a label map of so many slices; any other is refused."""
    suffix = suffix_of(path)
    if not suffix or suffix in (".jpg", ".jpeg", ".dcm"):
        raise VolumeError(
            f"label maps are written as .nii.gz, .nii, .nrrd, .mha, .png or .tif, not {path.name!r}", "out"
        )
    if suffix in FLAT_SUFFIXES and slices != 1:
        raise VolumeError(f"{path.name}: a volume does not fit into a {suffix} file; use .nii.gz", "out")
    return suffix


def write_image(volume: Volume, path: str | os.PathLike[str]) -> Path:
    """Write an image; for the generators of demo and test data."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    itk.imwrite(to_itk(volume.array, volume.geometry, suffix_of(path) in FLAT_SUFFIXES), str(path))
    return path


def write_cine(cine: Cine, path: str | os.PathLike[str]) -> Path:
    """Write an image with its phases, grey ones only."""
    path = Path(path)
    if len(cine.phases) == 1:
        return write_image(cine.phases[0], path)
    path.parent.mkdir(parents=True, exist_ok=True)
    itk.imwrite(to_itk_in_time([one.array for one in cine.phases], cine.geometry, cine.step_s), str(path))
    return path


def _read_plain(path: Path, modality: str | None, arriving: Callable[[ArrivingVolume], object]) -> Volume | None:
    """An ordinary file, read beside clicks instead of before them."""
    header = plain_header(path)
    if header is None:
        return None
    memory = header.memory()
    coming = on_its_way(memory, header.grid) if modality is None else None
    if coming is not None:
        arriving(coming)
    voxels = read_voxels(path, header, coming.reading.grown if coming is not None else lambda _: None, memory)
    if voxels is None:
        return None
    array = finite(voxels, path.name).transpose(2, 1, 0)
    return Volume(array, _grid(path, header), named_modality(array, modality))


def _grid(path: Path, header: PlainHeader) -> Geometry:
    """Where the voxels lie, as ITK understands the header."""
    return Geometry(header.shape, header_affine(path) if header.affine is None else header.affine)


def _read_series(folder: Path, modality: str | None) -> Cine:
    require_series(folder)
    names = itk.GDCMSeriesFileNames.New()
    names.SetUseSeriesDetails(True)
    names.SetDirectory(str(folder))
    series = list(names.GetSeriesUIDs())
    if not series:
        raise VolumeError(f"folder {folder.name} holds no DICOM series", "image")
    files = max((list(names.GetFileNames(uid)) for uid in series), key=len)
    notes = []
    if len(series) > 1:
        notes.append(f"the folder holds {len(series)} series; the one with most images ({len(files)}) is used")
    for file in files:
        require_whole(Path(file), dicom_claim(Path(file)))
    phases, step_s = files_by_phase(files)
    window, found = window_and_modality(None, files)
    notes += [sentence for sentence in (uneven_slices(list(phases[0])),) if sentence]
    if notes:
        log.warning("DICOM series needs attention", folder=folder.name, note="; ".join(notes))
    read = [phases_of(read_itk(one, ""), folder.name) for one in phases]
    named = named_modality(read[0][0][0], modality or found)
    about, tags = (named, window, "; ".join(notes) or None), image_tags(files[0])
    if len(files) == 1:
        arrays, geometry, step_s = _unrolled(*read[0], Path(files[0]))
        return Cine.of([Volume(array, geometry, *about, tags=tags) for array in arrays], step_s)
    return Cine.of([Volume(arrays[0], geometry, *about, tags=tags) for arrays, geometry in read], step_s)


def _unrolled(
    arrays: list[npt.NDArray[Any]], geometry: Geometry, file: Path
) -> tuple[list[npt.NDArray[Any]], Geometry, float]:
    """The frames of one DICOM file by phase, where they have any."""
    found = frames_in_time(file)
    if found is None or len(arrays) > 1 or arrays[0].shape[2] != sum(map(len, found.phases)):
        return arrays, geometry, 1.0
    return [arrays[0][:, :, list(frames)] for frames in found.phases], found.geometry, found.step_s
