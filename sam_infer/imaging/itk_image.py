"""ITK's images as arrays with their place in the patient, and back. ITK speaks LPS and gives arrays as (k, j, i)."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import itk
import numpy as np
import numpy.typing as npt
import structlog

from sam_infer.arrays import Float64Array
from sam_infer.errors import VolumeError
from sam_infer.imaging.claims.nifti_place import FARTHEST_MM
from sam_infer.imaging.file_check import itk_reader, require_channels
from sam_infer.imaging.geometry import Geometry

log = structlog.get_logger(__name__)

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

# ITK's readers share factories and GDCM state: one file at a time.
_READING = threading.Lock()


def read_itk(path: Path | Sequence[str], suffix: str) -> Any:
    """ITK's image of a file, or of the slices of a DICOM series in their order."""
    first, count = (path, 1) if isinstance(path, Path) else (Path(path[0]), len(path))
    name = first.name if isinstance(path, Path) else "the DICOM series"
    try:
        with _READING, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ITK repeats every header oddity; ours are checked below
            reader = itk_reader(first, suffix, count)
            return itk.imread(str(path) if isinstance(path, Path) else list(path), imageio=reader)
    except (RuntimeError, TypeError, KeyError, MemoryError) as error:
        raise _unreadable(name, error) from error


def header_affine(path: Path) -> Float64Array:
    """Where the voxels of a NIfTI file lie, as ITK understands the header: qform or sform is its decision."""
    reader = itk.ImageFileReader[itk.Image[itk.SS, 3]].New(FileName=str(path))
    try:
        with _READING:
            reader.UpdateOutputInformation()
    except RuntimeError as error:
        raise _unreadable(path.name, error) from error
    return affine_of(reader.GetOutput())


def phases_of(image: Any, name: str) -> tuple[list[npt.NDArray[Any]], Geometry]:
    """The voxels (I, J, K), or (I, J, K, 3) of colour, of each phase; of most images there is one."""
    dimension = image.GetImageDimension()
    array = itk.array_from_image(image)
    colour = array.ndim == dimension + 1
    if colour and array.shape[-1] == 4:
        array = array[..., :3]
    require_channels(name, array.shape[-1] if colour else 1)
    while dimension > 4 and array.shape[0] == 1:  # a further axis of length one is a habit of some writers
        array, dimension = array[0], dimension - 1
    if dimension not in (2, 3, 4):
        raise VolumeError(
            f"{name} has {dimension} dimensions; a slice, a volume or one with phases is expected", "image"
        )
    if dimension == 2:
        array = array[None]
    if dimension < 4:
        array = array[None]
    if array.dtype == np.bool_:
        array = array.astype(np.uint8)
    array = finite(array, name)
    phases = [one.transpose(2, 1, 0, *range(3, one.ndim)) for one in array]
    width, height, depth = phases[0].shape[:3]
    return phases, Geometry((width, height, depth), affine_of(image))


def finite(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
    """Voxels without NaN and infinity, which become zero."""
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        log.warning("image holds NaN or infinity, taken as zero", file=name)
        return np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
    return array


def affine_of(image: Any) -> Float64Array:
    """The RAS affine of an ITK image of two or more dimensions."""
    n = min(image.GetImageDimension(), 3)
    direction = itk.array_from_matrix(image.GetDirection())[:n, :n]
    affine = np.eye(4)
    affine[:n, :n] = direction * np.array([float(s) for s in image.GetSpacing()][:n])
    affine[:n, 3] = [float(o) for o in image.GetOrigin()][:n]
    if not (np.abs(affine) < FARTHEST_MM).all():  # NaN is not less, either
        raise VolumeError(f"its spacing or place is no number, or beyond {FARTHEST_MM / 1e6:g} km", "image")
    return np.asarray(LPS_TO_RAS @ affine)


def to_itk(array: npt.NDArray[Any], geometry: Geometry, flat: bool) -> Any:
    """The ITK image of voxels (I, J, K), or (I, J, K, 3) of colour."""
    stored = np.ascontiguousarray(array.transpose(2, 1, 0, *range(3, array.ndim)))
    colour = array.ndim == 4
    if flat:
        return itk.image_from_array(stored[0], is_vector=colour)
    image = itk.image_from_array(stored, is_vector=colour)
    return _placed(image, geometry, ())


def to_itk_in_time(phases: Sequence[npt.NDArray[Any]], geometry: Geometry, step_s: float) -> Any:
    """The ITK image of four dimensions of the voxels (I, J, K) of each phase."""
    stored = np.ascontiguousarray(np.stack([one.transpose(2, 1, 0) for one in phases]))
    return _placed(itk.image_from_array(stored), geometry, (step_s,))


def _placed(image: Any, geometry: Geometry, more_spacing: tuple[float, ...]) -> Any:
    lps = LPS_TO_RAS @ geometry.affine
    spacing = np.asarray(geometry.spacing_mm)
    direction = np.eye(3 + len(more_spacing))
    direction[:3, :3] = lps[:3, :3] / spacing
    image.SetDirection(itk.matrix_from_array(np.ascontiguousarray(direction)))
    image.SetSpacing([*(float(s) for s in spacing), *more_spacing])
    image.SetOrigin([*(float(o) for o in lps[:3, 3]), *(0.0 for _ in more_spacing)])
    return image


def _unreadable(name: str, error: Exception) -> VolumeError:
    """A refusal in our words; ITK's, about its own classes and this machine's folders, go to the log."""
    log.info("not readable as an image", file=name, reason=first_line(error))
    return VolumeError(f"{name} cannot be read as an image: it is damaged, or not what its name says", "image")


def first_line(error: Exception) -> str:
    """The line of ITK's report that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    informative = [line for line in lines if "ERROR" in line.upper() or "could not" in line.lower()]
    return (informative or lines or [type(error).__name__])[-1][:200]
