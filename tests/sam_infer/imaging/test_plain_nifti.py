"""The short way to the voxels, against ITK's and nibabel's."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import itk
import nibabel
import numpy as np
import pytest

from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import read_geometry, read_image
from sam_infer.imaging.plain_nifti import TYPES, plain_header, read_voxels

SHAPE = (7, 6, 5)
AFFINE = np.array([[0, -1.5, 0, 10], [0.8, 0, 0, -20], [0, 0, 3, 5], [0, 0, 0, 1.0]])


def values(kind: str) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 200, SHAPE).astype(kind)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", TYPES.values())
def test_every_type_is_what_itk_and_nibabel_read(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"image{suffix}"
    nibabel.save(nibabel.Nifti1Image(values(kind), AFFINE), path)
    header = plain_header(path)
    assert header is not None
    voxels, theirs = read_voxels(path, header), itk.array_from_image(itk.imread(str(path)))
    assert voxels is not None and voxels.dtype == theirs.dtype and np.array_equal(voxels, theirs)
    volume = read_image(path)
    assert np.array_equal(volume.array, values(kind)) and volume.array.dtype == np.dtype(kind)
    assert read_geometry(path).same_as(volume.geometry)


@pytest.mark.parametrize("forms", [(1, 0), (0, 1), (1, 1), (0, 0)])
def test_itk_decides_where_voxels_lie(tmp_path: Path, forms: tuple[int, int]) -> None:
    image = nibabel.Nifti1Image(values("<i2"), None)
    straight = np.diag([2, 1, 3, 1.0])
    image.set_qform(straight, forms[0])
    image.set_sform(straight @ np.diag([-1, 1, 1, 1.0]), forms[1])
    path = tmp_path / "image.nii"
    nibabel.save(image, path)
    theirs = itk.imread(str(path))
    expected = np.asarray(theirs.GetOrigin()) * [-1, -1, 1]
    geometry = read_image(path).geometry
    assert np.allclose(geometry.affine[:3, 3], expected)
    assert np.allclose(geometry.spacing_mm, list(theirs.GetSpacing()))


def rescaled(path: Path) -> None:
    image = nibabel.Nifti1Image(values("<i2"), AFFINE)
    image.header.set_slope_inter(2, -100)
    nibabel.save(image, path)


def other_byte_order(path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(values(">i2"), AFFINE, header), path)


def four_dimensional(path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(values("<i2")[..., None], AFFINE), path)


@pytest.mark.parametrize("write", [rescaled, other_byte_order, four_dimensional])
def test_what_is_not_ordinary_is_left_to_itk(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "image.nii.gz"
    write(path)
    assert plain_header(path) is None
    expected = np.asarray(nibabel.load(path).dataobj).reshape(SHAPE)
    assert np.array_equal(read_image(path).array, expected)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.nii"
    nibabel.save(nibabel.Nifti1Image(values("<i2"), AFFINE), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    packed = tmp_path / "packed.nii.gz"
    packed.write_bytes(gzip.compress(whole)[:-30])
    for cut in (path, packed):
        header = plain_header(cut)
        assert header is None or read_voxels(cut, header) is None
        for read in (read_image, read_geometry):
            with pytest.raises(VolumeError, match="cut short"):
                read(cut)


def test_a_wrong_checksum_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "image.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values("<i2"), AFFINE), path)
    content = bytearray(path.read_bytes())
    content[-8] ^= 0xFF  # the checksum
    path.write_bytes(content)
    header = plain_header(path)
    assert header is None or read_voxels(path, header) is None
