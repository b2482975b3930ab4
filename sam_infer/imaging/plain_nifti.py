"""Fast reader of ordinary NIfTI files: voxels unpacked straight into an array.

ITK holds Python's lock as long as it reads: for 0.2 s of a CT nobody else's click is answered. Unpacking with isal into
the array that is kept takes half of that, holds nobody up and makes no second copy. Whatever is not ordinary (another
byte order, rescaled values, colour, four dimensions) is left to ITK.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from isal import igzip

from sam_infer.arrays import Float64Array, memory_ahead
from sam_infer.errors import VolumeError
from sam_infer.imaging.claims.claim import UNPACKING_ERROR
from sam_infer.imaging.claims.nifti_place import affine_in_header
from sam_infer.imaging.geometry import Geometry

HEADER_BYTES = 348
MAGIC = b"n+1\0"  # header and voxels in one file

# NIfTI's number of a type, and the type; ITK reads these as they are.
TYPES = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 512: "<u2"}

CHUNK_BYTES = 1 << 20

DAMAGE = (OSError, EOFError, UNPACKING_ERROR)


@dataclass(frozen=True)
class PlainHeader:
    """Where the voxels are, and what they are."""

    shape: tuple[int, int, int]  # (I, J, K)
    kind: str
    offset: int
    affine: Float64Array | None = field(default=None, compare=False)  # None: ITK must say where the voxels lie

    @classmethod
    def of(cls, header: bytes) -> PlainHeader | None:
        """The header's start; None when the file is for ITK."""
        if len(header) < HEADER_BYTES or struct.unpack_from("<i", header)[0] != HEADER_BYTES:
            return None
        dimensions, *sizes = struct.unpack_from("<8h", header, 40)
        (kind,) = struct.unpack_from("<h", header, 70)
        offset, slope, intercept = struct.unpack_from("<3f", header, 108)
        plain = dimensions == 3 and min(sizes[:3]) > 0 and kind in TYPES and slope in (0, 1) and intercept == 0
        if not plain or header[344:348] != MAGIC or not HEADER_BYTES <= offset < 2**31:
            return None
        return cls((sizes[0], sizes[1], sizes[2]), TYPES[kind], int(offset), affine_in_header(header))

    @property
    def grid(self) -> Geometry | None:
        """Where the voxels lie; None where ITK must say so, or nobody can."""
        try:
            return None if self.affine is None else Geometry(self.shape, self.affine)
        except VolumeError:  # whoever needs the grid says what is wrong with it
            return None

    def memory(self) -> npt.NDArray[Any]:
        """Room for the voxels (K, J, I)."""
        return np.empty(self.shape[::-1], self.kind)


def plain_header(path: Path) -> PlainHeader | None:
    """The header of a file that can be read here."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return None
    try:
        with _opened(path) as file:
            return PlainHeader.of(file.read(HEADER_BYTES))
    except DAMAGE:
        return None


def read_voxels(
    path: Path,
    header: PlainHeader,
    heard: Callable[[memoryview], object] = lambda _: None,
    memory: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any] | None:
    """The voxels (K, J, I), as ITK gives them; None when the file is not what its header says.

    Each piece is `heard` as soon as it is in its place: in `memory`, where the caller has taken some.
    """
    voxels = header.memory() if memory is None else memory
    rest = voxels.reshape(-1).view(np.uint8).data
    try:
        with _opened(path) as file, memory_ahead(voxels) as ahead:
            file.read(header.offset)
            while rest:
                count = file.readinto(rest[:CHUNK_BYTES])
                if not count:
                    return None
                ahead.filled(count)
                heard(rest[:count])
                rest = rest[count:]
            file.read(1)  # past the end: the checksum is looked at there
    except (*DAMAGE, ValueError):
        return None
    return voxels.astype(voxels.dtype.newbyteorder("="), copy=False)


@contextmanager
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    with igzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb") as file:
        yield file
