"""Detects truncated NIfTI files: fewer bytes than the header promises.

ITK fills what is missing from a cut NIfTI file with zeros and says nothing; a mask drawn on such an image is lost
work. The header says how many bytes there must be, so this is cheap to notice.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

from sam_infer.errors import VolumeError

HEADER_BYTES = 348
_GZIP_SIZE_MODULUS = 2**32


def require_complete(path: Path) -> None:
    """Refuse a NIfTI file that holds fewer bytes than its header promises; other formats pass."""
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        return
    try:
        compressed = name.endswith(".gz")
        with gzip.open(path, "rb") if compressed else path.open("rb") as file:
            expected = _promised_bytes(file.read(HEADER_BYTES))
        if expected is None:
            return  # not a NIfTI-1 header: the reader decides
        found = _unpacked_bytes(path, expected) if compressed else path.stat().st_size
    except (EOFError, OSError, zlib.error) as error:
        raise VolumeError(f"{path.name} cannot be read as an image: it is cut short or damaged", "image") from error
    if found < expected:
        raise VolumeError(
            f"{path.name} cannot be read as an image: it is cut short, {found} of {expected} bytes", "image"
        )


def _promised_bytes(header: bytes) -> int | None:
    """Bytes of header and voxels, from a NIfTI-1 header of either byte order."""
    if len(header) < HEADER_BYTES:
        return None
    for order in "<>":
        if struct.unpack_from(f"{order}i", header, 0)[0] == HEADER_BYTES:
            sizes = struct.unpack_from(f"{order}8h", header, 40)
            bits = struct.unpack_from(f"{order}h", header, 72)[0]
            offset = struct.unpack_from(f"{order}f", header, 108)[0]
            voxels = 1
            for size in sizes[1 : 1 + min(max(sizes[0], 0), 7)]:
                voxels *= max(size, 1)
            return int(offset) + voxels * bits // 8
    return None


def _unpacked_bytes(path: Path, expected: int) -> int:
    """Size after unpacking: as the file's last four bytes say, or counted where they disagree with the header."""
    with path.open("rb") as file:
        file.seek(-4, 2)
        if struct.unpack("<I", file.read(4))[0] == expected % _GZIP_SIZE_MODULUS:
            return expected
    total = 0
    with gzip.open(path, "rb") as unpacked:
        while chunk := unpacked.read(1 << 20):
            total += len(chunk)
    return total
