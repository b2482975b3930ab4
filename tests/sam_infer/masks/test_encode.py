"""Our NRRD and NIfTI bytes, read by ITK: the same voxels at the same places."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask
from sam_infer.masks.encode import encode_nrrd, nifti_chunks, nrrd_chunks
from sam_infer.masks.gzip_member import gzipped
from sam_trainer.synthetic.patients import grid, rotation


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("order", ["F", "C"])
@pytest.mark.parametrize("shape", [(7, 5, 3), (9, 1, 1), (4, 6, 1)])
def test_round_trip(compress: bool, order: str, shape: tuple[int, int, int], tmp_path: Path) -> None:
    geometry = grid(shape, (0.8, 1.1, 3.0), rotation(12, -9, 17))
    array = np.arange(np.prod(shape)).reshape(shape).astype(np.uint8, order=order)
    path = tmp_path / "mask.nrrd"
    path.write_bytes(encode_nrrd(Mask(array, geometry), compress))
    back = read_mask(path)
    assert np.array_equal(back.array, array)
    assert back.geometry.same_as(geometry, 1e-6)


def test_the_raw_part_is_the_array_i_fastest() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    header, voxels = encode_nrrd(Mask(array, grid((2, 3, 4), (1, 1, 1))), False).split(b"\n\n", 1)
    assert voxels == array.tobytes(order="F") and header.startswith(b"NRRD")


@pytest.mark.parametrize("filled", [(0, 1), (1, 2), (2, 4), None])
def test_what_is_known_to_be_empty_is_not_read(filled: tuple[int, int] | None) -> None:
    geometry = grid((700, 600, 4), (1, 1, 2))
    array = np.zeros(geometry.shape, np.uint8, order="F")
    array[5:9, 7, slice(*filled) if filled else 2] = 1
    told, plain = Mask(array, geometry, filled), Mask(array.copy(order="C"), geometry)
    assert encode_nrrd(told, False) == encode_nrrd(plain, False)
    packed = encode_nrrd(told, True).split(b"\n\n", 1)[1]
    assert gzip.decompress(packed) == plain.array.tobytes(order="F")
    assert gzip.decompress(gzipped(nrrd_chunks(told))) == encode_nrrd(plain, False)


def test_nifti_is_what_itk_writes(tmp_path: Path) -> None:
    geometry = grid((7, 5, 3), (0.8, 1.1, 3.0), rotation(12, -9, 17))
    mask = Mask(np.arange(105).reshape(7, 5, 3).astype(np.uint8), geometry)
    content = b"".join(nifti_chunks(mask))
    assert content == write_mask(mask, tmp_path / "itk.nii", compress=False).read_bytes()
    (tmp_path / "ours.nii.gz").write_bytes(gzipped(nifti_chunks(mask)))
    back = read_mask(tmp_path / "ours.nii.gz")
    assert np.array_equal(back.array, mask.array) and back.geometry.same_as(geometry, 1e-6)
