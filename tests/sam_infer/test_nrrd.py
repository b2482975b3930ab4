"""Our NRRD bytes, read by ITK: the same voxels at the same places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_infer.image_file import read_mask
from sam_infer.nrrd import encode_nrrd
from sam_infer.volume import Mask
from sam_trainer.phantoms import grid, rotation


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
