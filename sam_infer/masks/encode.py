"""Encodes masks as NRRD or NIfTI file bytes, gzip-compressed or not, for answers to clients.

ITK's writers transpose and copy the whole volume: 240 to 430 ms for 31 MB, on every click. A mask is kept i fastest in
memory, which is the order of both formats, so header plus bytes is all there is to do. What is known to be empty is
not even read: an answer on one slice costs that slice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_mask
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask
from sam_infer.masks.gzip_member import Chunk, gzipped, zeros

NIFTI_HEADER_BYTES = 352


def encode_nrrd(mask: Mask, compress: bool) -> bytes:
    """The file's bytes: unsigned char, geometry in LPS, `raw` or `gzip`."""
    if compress:
        return _nrrd_header(mask.geometry, "gzip") + gzipped(voxel_chunks(mask))
    return b"".join(nrrd_chunks(mask))


def nrrd_chunks(mask: Mask) -> Iterator[Chunk]:
    """A raw NRRD file, piece by piece."""
    yield _nrrd_header(mask.geometry, "raw")
    yield from voxel_chunks(mask)


def nifti_chunks(mask: Mask) -> Iterator[Chunk]:
    """A NIfTI file, piece by piece; ITK makes the header."""
    yield _nifti_header(mask.geometry.shape, mask.geometry.affine.tobytes())
    yield from voxel_chunks(mask)


def voxel_chunks(mask: Mask) -> Iterator[Chunk]:
    """The voxels, i fastest."""
    voxels = mask.array.ravel(order="F")
    if mask.filled is None:
        yield voxels.data
        return
    plane = mask.geometry.shape[0] * mask.geometry.shape[1]
    start, stop = (plane * k for k in mask.filled)
    yield from zeros(start)
    yield voxels[start:stop].data
    yield from zeros(len(voxels) - stop)


def _nrrd_header(geometry: Geometry, encoding: str) -> bytes:
    lps = np.asarray(LPS_TO_RAS @ geometry.affine)
    lines = [
        "NRRD0004",
        "type: unsigned char",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in geometry.shape)}",
        f"space directions: {' '.join(_vector(lps[:3, axis]) for axis in range(3))}",
        "kinds: domain domain domain",
        "endian: little",
        f"encoding: {encoding}",
        f"space origin: {_vector(lps[:3, 3])}",
    ]
    return ("\n".join(lines) + "\n\n").encode("ascii")


@lru_cache(maxsize=64)
def _nifti_header(shape: tuple[int, int, int], affine: bytes) -> bytes:
    """The start of the file that ITK writes for this grid: its time is paid once."""
    empty = Mask.empty(Geometry(shape, np.frombuffer(affine).reshape(4, 4)))
    with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
        path = write_mask(empty, Path(folder) / "empty.nii", compress=False)
        with path.open("rb") as file:
            return file.read(NIFTI_HEADER_BYTES)


def _vector(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return f"({','.join(repr(float(v)) for v in values)})"
