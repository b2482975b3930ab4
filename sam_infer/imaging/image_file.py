"""Reads and writes images and label maps (NIfTI, NRRD, MetaImage, DICOM series, PNG, JPEG, TIFF) through ITK.

Only the voxels of ordinary NIfTI files take a shorter way (`plain_nifti`); where they lie is for ITK to say there too.
ITK speaks LPS and gives arrays as (k, j, i); both end here.
"""

from __future__ import annotations

import os
import threading
import warnings
from pathlib import Path
from typing import Any

import itk
import numpy as np
import numpy.typing as npt
import structlog

from sam_infer.arrays import Float64Array
from sam_infer.errors import VolumeError
from sam_infer.files import write_whole
from sam_infer.imaging.claim import refusal, require_whole, shown
from sam_infer.imaging.dicom_tags import dicom_claim, uneven_slices, window_and_modality
from sam_infer.imaging.file_check import itk_reader, require_channels, require_claim, require_complete, require_series
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.plain_nifti import PlainHeader, plain_header, read_voxels
from sam_infer.imaging.volume import Mask, Volume, guess_modality

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

# No image reaches further; the earth's diameter is 1.3e10.
FARTHEST_MM = 1e7

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

# ITK's readers share factories and GDCM state: one file at a time.
_READING = threading.Lock()


def suffix_of(path: Path) -> str:
    """The image suffix, `.nii.gz` included; empty when it is none of ours."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def read_image(path: str | os.PathLike[str], modality: str | None = None) -> Volume:
    """The image at `path`: a file, or a folder that holds one DICOM series. `modality` overrides what is guessed."""
    path = Path(path)
    if not path.exists():
        raise VolumeError(f"there is no file {path.name}", "image")
    if path.is_dir():
        return _read_series(path, modality)
    require_claim(path, suffix_of(path))
    try:
        plain = _read_plain(path, modality)
    except MemoryError:
        raise refusal(path.name, "this machine has not enough memory for it now") from None
    if plain is not None:
        return plain
    require_complete(path, suffix_of(path))
    image = _read(path)
    array, geometry = _from_itk(image, path.name)
    if suffix_of(path) in FLAT_SUFFIXES:
        # Resolution tags of photographs say nothing about the patient.
        geometry = Geometry(geometry.shape, LPS_TO_RAS)
    window, found = window_and_modality(image) if suffix_of(path) == ".dcm" else (None, None)
    return Volume(array, geometry, _modality(array, modality or found), window)


def read_geometry(path: str | os.PathLike[str]) -> Geometry:
    """The grid of the image at `path`; of an ordinary file the voxels are not read."""
    path = Path(path)
    header = plain_header(path) if path.is_file() else None
    if header is None:
        return read_image(path).geometry
    require_complete(path, suffix_of(path))  # a label must not be taken for an image that cannot be read
    return _plain_geometry(path, header)


def read_mask(path: str | os.PathLike[str], grid: Geometry | None = None) -> Mask:
    """The label map at `path`; values must be whole numbers from 0 to 255.

    One whose header claims another size than `grid` is refused before memory is taken for it.
    """
    path = Path(path)
    if grid is not None:
        _require_size_of(path, grid)
    volume = read_image(path)
    if volume.is_colour:
        raise VolumeError(f"{path.name} is a colour image, not a label map", "label")
    array = volume.array
    if array.dtype != np.uint8 and not _whole_numbers(array):
        raise VolumeError(f"{path.name} holds values other than the whole numbers 0..255", "label")
    return Mask(array.astype(np.uint8, copy=False), volume.geometry)


def _require_size_of(path: Path, grid: Geometry) -> None:
    claim = require_claim(path, suffix_of(path)) if path.is_file() else None
    sizes = claim.sizes[:3] if claim is not None else ()
    if sizes != grid.shape[: len(sizes)]:  # of pictures in one file only the first is claimed
        raise VolumeError(
            f"{path.name} has another grid than the image: {shown(sizes)} voxels against {grid.describe()}; "
            "resample it to the image first",
            "label",
        )


def _whole_numbers(array: npt.NDArray[Any]) -> bool:
    """Whether every value fits into a label map."""
    if float(array.min()) < 0 or float(array.max()) > 255:
        return False
    return bool(np.issubdtype(array.dtype, np.integer)) or np.array_equal(array, np.rint(array))


def write_mask(mask: Mask, path: str | os.PathLike[str], compress: bool = True) -> Path:
    """Write a label map in the format its suffix names; appears whole or not at all."""
    path = Path(path)
    flat = require_mask_format(path, mask.array.shape[2]) in FLAT_SUFFIXES
    image = _to_itk(mask.array, mask.geometry, flat)
    try:
        write_whole(path, lambda part: itk.imwrite(image, str(part), compression=compress and not flat))
    except RuntimeError as error:
        log.error("a label map could not be written", file=path.name, reason=_first_line(error))
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
    itk.imwrite(_to_itk(volume.array, volume.geometry, suffix_of(path) in FLAT_SUFFIXES), str(path))
    return path


def _read_plain(path: Path, modality: str | None) -> Volume | None:
    """An ordinary file, read beside clicks instead of before them."""
    header = plain_header(path)
    voxels = None if header is None else read_voxels(path, header)
    if header is None or voxels is None:
        return None
    array = _finite(voxels, path.name).transpose(2, 1, 0)
    return Volume(array, _plain_geometry(path, header), _modality(array, modality))


def _plain_geometry(path: Path, header: PlainHeader) -> Geometry:
    """Where the voxels lie, as ITK understands the header: qform or sform is its decision, whatever it reads."""
    reader = itk.ImageFileReader[itk.Image[itk.SS, 3]].New(FileName=str(path))
    try:
        with _READING:
            reader.UpdateOutputInformation()
    except RuntimeError as error:
        raise _unreadable(path.name, error) from error
    return Geometry(header.shape, _affine(reader.GetOutput()))


def _read(path: Path | list[str]) -> Any:
    first, count = (path, 1) if isinstance(path, Path) else (Path(path[0]), len(path))
    name = first.name if isinstance(path, Path) else "the DICOM series"
    try:
        with _READING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ITK repeats every header oddity; ours are checked below
            reader = itk_reader(first, suffix_of(first), count)
            return itk.imread(str(path) if isinstance(path, Path) else path, imageio=reader)
    except (RuntimeError, TypeError, KeyError, MemoryError) as error:
        raise _unreadable(name, error) from error


def _from_itk(image: Any, name: str) -> tuple[npt.NDArray[Any], Geometry]:
    dimension = image.GetImageDimension()
    array = itk.array_from_image(image)
    colour = array.ndim == dimension + 1
    if colour and array.shape[-1] == 4:
        array = array[..., :3]
    require_channels(name, array.shape[-1] if colour else 1)
    while dimension > 3 and array.shape[0] == 1:  # a fourth axis of length one is a habit of some writers
        array, dimension = array[0], dimension - 1
    if dimension not in (2, 3):
        raise VolumeError(f"{name} has {dimension} dimensions; a slice or a volume is expected", "image")
    if dimension == 2:
        array = array[None]
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    array = _finite(array, name).transpose(2, 1, 0, *range(3, array.ndim))
    width, height, depth = array.shape[:3]
    return array, Geometry((width, height, depth), _affine(image))


def _finite(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        log.warning("image holds NaN or infinity, taken as zero", file=name)
        return np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
    return array


def _affine(image: Any) -> Float64Array:
    """The RAS affine of an ITK image of two to four dimensions."""
    n = min(image.GetImageDimension(), 3)
    direction = itk.array_from_matrix(image.GetDirection())[:n, :n]
    affine = np.eye(4)
    affine[:n, :n] = direction * np.array([float(s) for s in image.GetSpacing()][:n])
    affine[:n, 3] = [float(o) for o in image.GetOrigin()][:n]
    if not (np.abs(affine) < FARTHEST_MM).all():  # NaN is not less, either
        raise VolumeError(f"its spacing or place is no number, or beyond {FARTHEST_MM / 1e6:g} km", "image")
    return np.asarray(LPS_TO_RAS @ affine)


def _to_itk(array: npt.NDArray[Any], geometry: Geometry, flat: bool) -> Any:
    stored = np.ascontiguousarray(array.transpose(2, 1, 0, *range(3, array.ndim)))
    colour = array.ndim == 4
    if flat:
        return itk.image_from_array(stored[0], is_vector=colour)
    image = itk.image_from_array(stored, is_vector=colour)
    lps = LPS_TO_RAS @ geometry.affine
    spacing = np.asarray(geometry.spacing_mm)
    image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(lps[:3, :3] / spacing)))
    image.SetSpacing([float(s) for s in spacing])
    image.SetOrigin([float(o) for o in lps[:3, 3]])
    return image


def _read_series(folder: Path, modality: str | None) -> Volume:
    require_series(folder)
    names = itk.GDCMSeriesFileNames.New()
    names.SetUseSeriesDetails(True)
    names.SetDirectory(str(folder))
    series = list(names.GetSeriesUIDs())
    if not series:
        raise VolumeError(f"folder {folder.name} holds no DICOM series", "image")
    files = max((list(names.GetFileNames(uid)) for uid in series), key=len)
    note = None
    if len(series) > 1:
        note = f"the folder holds {len(series)} series; the one with most slices ({len(files)}) is used"
    for file in files:
        require_whole(Path(file), dicom_claim(Path(file)))
    array, geometry = _from_itk(_read(files), folder.name)
    window, found = window_and_modality(None, files)
    uneven = uneven_slices(files)
    if uneven is not None:
        note = f"{note}; {uneven}" if note else uneven
    if note:
        log.warning("DICOM series needs attention", folder=folder.name, note=note)
    return Volume(array, geometry, _modality(array, modality or found), window, note)


def _modality(array: npt.NDArray[Any], wish: str | None) -> str:
    """Our name of a modality; a CT that was already windowed to 8 bits is not treated as Hounsfield units."""
    guessed = guess_modality(array)
    if guessed == "RGB" or wish is None:
        return guessed
    wish = wish.upper()
    if wish == "CT":
        return "CT" if guessed == "CT" else "OTHER"
    known = {"MR": "MR", "US": "US", "PT": "PT", "CR": "XR", "DX": "XR", "XR": "XR", "RF": "XR", "MG": "XR"}
    return next((ours for theirs, ours in known.items() if wish.startswith(theirs)), "OTHER")


def _unreadable(name: str, error: Exception) -> VolumeError:
    """A refusal in our words; ITK's, about its own classes and this machine's folders, go to the log."""
    log.info("not readable as an image", file=name, reason=_first_line(error))
    return VolumeError(f"{name} cannot be read as an image: it is damaged, or not what its name says", "image")


def _first_line(error: Exception) -> str:
    """The line of ITK's report that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    informative = [line for line in lines if "ERROR" in line.upper() or "could not" in line.lower()]
    return (informative or lines or [type(error).__name__])[-1][:200]
