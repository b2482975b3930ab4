"""What the header of an image file claims, checked before memory is taken for its voxels.

A header of 348 bytes can claim terabytes, and 2 MB of gzip can hold gigabytes. Every reader states the claim first; it
is refused when it is larger than this process takes, or larger than the file can hold. ITK would take the memory first,
and fills what is missing from a cut file with zeros: a mask drawn on such an image is lost work.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from isal import isal_zlib

from sam_infer.errors import VolumeError

# Read at every use, and inherited by the processes that train and score.
VARIABLE = "SAMLABEL_IMAGE_MB"
DEFAULT_MB = 2048

RAW, DEFLATED, PACKED = "raw", "deflated", "packed in another way"

# Deflate makes at most 1032 bytes of one.
MOST_INFLATION = 1032

GZIP_OR_ZLIB = 32 + 15

# Its types call the class an instance.
UNPACKING_ERROR = cast(type[Exception], isal_zlib.error)
PIECE = 1 << 20


@dataclass(frozen=True)
class Claim:
    """Sizes along the stored axes, fastest first, and how the voxels lie in the file."""

    sizes: tuple[int, ...]
    voxel_bytes: int
    offset: int = 0  # of the voxels, in the file; of gzip around everything, in what it holds
    packing: str = RAW
    whole_file: bool = False  # gzip is around header and voxels

    @property
    def nbytes(self) -> int:
        """Memory for the voxels."""
        return math.prod(self.sizes) * self.voxel_bytes


def most_bytes() -> int:
    """The largest image that this process reads."""
    text = os.environ.get(VARIABLE, "").strip() or str(DEFAULT_MB)
    if not text.isdecimal() or int(text) < 1:
        raise VolumeError(f"{VARIABLE} must be a whole number of megabytes, got {text!r}", "image")
    return int(text) << 20


def require_affordable(name: str, sizes: Sequence[int], nbytes: int) -> None:
    """Refuse what is no grid, or takes more memory than this process gives to one image."""
    if not sizes or min(sizes) < 1:
        raise refusal(name, f"its header claims a size of {shown(sizes) or 'nothing'}")
    if len(sizes) > 4 and any(size != 1 for size in sizes[4:]):
        raise VolumeError(
            f"{name} has {len(sizes)} dimensions; a slice, a volume or one with phases is expected", "image"
        )
    if nbytes > most_bytes():
        raise VolumeError(
            f"{name} claims {shown(sizes)} voxels, {max(nbytes >> 20, 1)} MB; at most {most_bytes() >> 20} MB are read "
            f"(setting image_mb, or {VARIABLE})",
            "image",
        )


def require_whole(path: Path, claim: Claim) -> None:
    """Refuse a file that does not hold what it claims; nothing is kept of what is unpacked to find out."""
    size = path.stat().st_size
    if claim.packing == PACKED:
        return
    wanted = claim.nbytes + (claim.offset if claim.packing == RAW or claim.whole_file else 0)
    found = size if claim.packing == RAW else _unpacked(path, claim, wanted)
    if found < wanted:
        raise refusal(path.name, f"it is cut short, {found} of {wanted} bytes")


def refusal(name: str, why: str) -> VolumeError:
    """The one sentence for files that are no images."""
    return VolumeError(f"{name} cannot be read as an image: {why}", "image")


def shown(sizes: Sequence[int]) -> str:
    """Sizes in a sentence."""
    return "x".join(str(size) for size in sizes[:8])


def _unpacked(path: Path, claim: Claim, wanted: int) -> int:
    """Bytes after unpacking, counted no further than what is wanted."""
    most = path.stat().st_size * MOST_INFLATION
    if most < wanted:
        return most
    if claim.whole_file and _says_its_size(path, wanted):
        return wanted
    try:
        return _count(path, 0 if claim.whole_file else claim.offset, wanted)
    except UNPACKING_ERROR:
        raise refusal(path.name, "it is damaged, its voxels cannot be unpacked") from None


def _says_its_size(path: Path, wanted: int) -> bool:
    """Whether the last four bytes of a gzip file name this size: counting again takes as long as reading."""
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return bool(struct.unpack("<I", file.read(4))[0] == wanted % 2**32)


def _count(path: Path, offset: int, wanted: int) -> int:
    found, unpacker = 0, isal_zlib.decompressobj(GZIP_OR_ZLIB)
    with path.open("rb") as file:
        file.seek(offset)
        rest = file.read(PIECE)
        while rest and found <= wanted:
            found += len(unpacker.decompress(rest, PIECE))
            rest = unpacker.unconsumed_tail
            if unpacker.eof:  # gzip files may be joined
                rest, unpacker = unpacker.unused_data, isal_zlib.decompressobj(GZIP_OR_ZLIB)
                if found >= wanted:
                    return found
            rest = rest or file.read(PIECE)
    return found if rest else min(found, wanted - 1)  # the file's end without that of what is packed: cut
