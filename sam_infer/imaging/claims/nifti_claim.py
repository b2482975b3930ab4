"""What a NIfTI header claims, of either version and byte order; refused where no image can be like that."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_infer.imaging.claims.claim import DEFLATED, RAW, Claim, refusal

# NIfTI's number of a type, and its bytes; complex numbers, single bits and 16-byte floats are no intensities here.
TYPE_BYTES = {2: 1, 4: 2, 8: 4, 16: 4, 64: 8, 128: 3, 256: 1, 512: 2, 768: 4, 1024: 8, 1280: 8, 2304: 4}

GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class _Layout:
    """Where the fields of one version are: format and place."""

    length: int
    magic: tuple[bytes, int]
    dimensions: tuple[str, int]
    kind: int
    spacing: tuple[str, int]
    offset: tuple[str, int]
    matrix: tuple[str, int]
    matrix_code: tuple[str, int]


_FIRST = _Layout(348, (b"n+1\0", 344), ("8h", 40), 70, ("8f", 76), ("f", 108), ("12f", 280), ("h", 254))
_SECOND = _Layout(540, (b"n+2\0\r\n\x1a\n", 4), ("8q", 16), 12, ("8d", 104), ("q", 168), ("12d", 400), ("i", 348))


def nifti_claim(path: Path) -> Claim:
    """The claim of a NIfTI file."""
    head, packed = _head(path)
    layout, order = _layout(path.name, head)
    dimensions, *sizes = _get(head, order, layout.dimensions)
    if not 2 <= dimensions <= 7:
        raise refusal(path.name, f"its header claims {dimensions} dimensions")
    (kind,) = _get(head, order, ("h", layout.kind))
    if kind not in TYPE_BYTES:
        raise refusal(path.name, f"it holds values of type {kind}; whole numbers or floats are expected")
    _require_place(path.name, head, order, layout, dimensions)
    (offset,) = _get(head, order, layout.offset)
    if not (math.isfinite(offset) and 0 <= offset < 2**60):
        raise refusal(path.name, f"its header says that the voxels begin at byte {offset}")
    offset = max(int(offset), layout.length + 4)
    sizes = [int(size) for size in sizes[:dimensions]]
    return Claim(tuple(sizes), TYPE_BYTES[kind], offset, DEFLATED if packed else RAW, whole_file=packed)


def _require_place(name: str, head: bytes, order: str, layout: _Layout, dimensions: int) -> None:
    spacing = _get(head, order, layout.spacing)[1 : 1 + dimensions]
    (code,) = _get(head, order, layout.matrix_code)
    matrix = _get(head, order, layout.matrix) if code > 0 else ()
    if not all(map(math.isfinite, (*spacing, *matrix))):
        raise refusal(name, "its header holds a spacing or a place that is no number (NaN or infinity)")


def _head(path: Path) -> tuple[bytes, bool]:
    """The header, and whether gzip is around it; `.nii.gz` that is not packed is read as it is, as ITK does."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            return file.read(_SECOND.length), packed
    except (EOFError, OSError, zlib.error):
        raise refusal(path.name, "it is cut short or damaged") from None


def _layout(name: str, head: bytes) -> tuple[_Layout, str]:
    for layout in (_FIRST, _SECOND):
        for order in "<>":
            right = len(head) >= layout.length and struct.unpack_from(f"{order}i", head)[0] == layout.length
            magic, place = layout.magic
            if right and head[place : place + len(magic)] == magic:
                return layout, order
    raise refusal(name, "it is cut short, or no NIfTI file that holds its own voxels")


def _get(head: bytes, order: str, field: tuple[str, int]) -> tuple[Any, ...]:
    return struct.unpack_from(order + field[0], head, field[1])
