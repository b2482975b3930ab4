"""Places of NIfTI files: ITK, asked about the same header, says the same to the last bit."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from sam_infer.errors import VolumeError
from sam_infer.imaging.claims.nifti_place import affine_in_header
from sam_infer.imaging.itk_image import header_affine
from sam_infer.imaging.plain_nifti import HEADER_BYTES

SHAPE, VOXELS_AT = (3, 4, 5), 352


def nifti(
    quaternion: np.ndarray,
    spacing: np.ndarray,
    codes: tuple[int, int],
    sform: np.ndarray | None = None,
    offset: tuple[float, ...] = (1.5, -20.25, 300.1),
    handed: float = 1.0,
    units: int = 2,
) -> bytes:
    """A file with one byte a voxel."""
    header = bytearray(VOXELS_AT)
    struct.pack_into("<i", header, 0, HEADER_BYTES)
    struct.pack_into("<8h", header, 40, 3, *SHAPE, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, handed, *spacing, 0, 0, 0, 0)
    struct.pack_into("<3f", header, 108, VOXELS_AT, 1, 0)
    header[123] = units
    struct.pack_into("<2h", header, 252, *codes)
    struct.pack_into("<6f", header, 256, *quaternion[1:], *offset)
    if sform is not None:
        struct.pack_into("<12f", header, 280, *sform[:3].ravel())
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(int(np.prod(SHAPE)))


def turned(rng: np.random.Generator) -> np.ndarray:
    """A unit quaternion whose first part is not negative."""
    found = rng.normal(size=4)
    return found / np.linalg.norm(found) * (1 if found[0] >= 0 else -1)


def rotation(q: np.ndarray) -> np.ndarray:
    a, b, c, d = q
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )


def of_itk(data: bytes, folder: Path) -> np.ndarray:
    file = folder / "image.nii"
    file.write_bytes(data)
    return header_affine(file)


@pytest.mark.parametrize("codes", [(1, 0), (2, 0), (0, 1), (0, 2), (0, 4), (1, 1), (2, 1), (1, 2), (3, 4), (4, 1)])
def test_itk_says_the_same_to_the_last_bit(codes: tuple[int, int], tmp_path: Path) -> None:
    rng = np.random.default_rng(codes)
    for number in range(12):
        quaternion, spacing, handed = turned(rng), rng.uniform(0.2, 7, 3), float(rng.choice([-1, 1]))
        sform = np.eye(4)
        # another place than the qform's: whoever is believed is seen
        sform[:3, :3] = rotation(turned(rng)) * spacing * [1, 1, float(rng.choice([-1, 1]))]
        sform[:3, 3] = rng.normal(size=3) * 200
        data = nifti(quaternion, spacing, codes, sform, tuple(rng.normal(size=3) * 200), handed)
        found = affine_in_header(data)
        assert found is not None, number
        np.testing.assert_array_equal(found, of_itk(data, tmp_path))
        assert found.tobytes() == of_itk(data, tmp_path).tobytes()


@pytest.mark.parametrize("axes", [(1, 2, 3), (-1, -2, 3), (2, 1, -3), (-3, 1, 2), (1, -2, -3)])
def test_along_the_axes_too(axes: tuple[int, int, int], tmp_path: Path) -> None:
    sform = np.eye(4)
    sform[:3, :3] = 0
    for column, axis in enumerate(axes):
        sform[abs(axis) - 1, column] = np.sign(axis) * (0.5, 0.7, 3.0)[column]
    plain = np.array([1.0, 0.0, 0.0, 0.0])
    half_turn = np.array([0.0, 0.0, 1.0, 0.0])
    for quaternion, codes in ((plain, (0, 1)), (plain, (1, 0)), (half_turn, (1, 0)), (half_turn, (2, 2))):
        data = nifti(quaternion, np.array([0.5, 0.7, 3.0]), codes, sform)
        found = affine_in_header(data)
        assert found is not None and found.tobytes() == of_itk(data, tmp_path).tobytes()


def test_what_itk_must_think_about_is_left_to_it(tmp_path: Path) -> None:
    plain, spacing, sheared = np.array([1.0, 0, 0, 0]), np.array([1.0, 2.0, 3.0]), np.diag([1.0, 2.0, 3.0, 1.0])
    sheared[0, 1] = 0.4
    odd = {
        "no place": nifti(plain, spacing, (0, 0)),
        "a sheared sform": nifti(plain, spacing, (0, 1), sheared),
        "metres": nifti(plain, spacing, (1, 0), units=1),
        "no spacing": nifti(plain, np.array([0.0, 1, 1]), (1, 0)),
        "negative spacing": nifti(plain, np.array([-1.0, 1, 1]), (1, 0)),
        "an sform of zeros": nifti(plain, spacing, (0, 1), np.zeros((4, 4))),
        "no number": nifti(plain, spacing, (1, 0), offset=(float("nan"), 0, 0)),
        "beyond the earth": nifti(plain, spacing, (1, 0), offset=(1e9, 0, 0)),
    }
    for what, data in odd.items():
        assert affine_in_header(data) is None, what
    with pytest.raises(VolumeError, match="beyond 10 km"):
        of_itk(odd["beyond the earth"], tmp_path)
