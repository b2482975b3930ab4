"""Hostile NIfTI: headers that lie about sizes, types, places and lengths, files that are cut, bombs."""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from tests.hostile.bombs import BOMB_BYTES, gzip_bomb
from tests.hostile.file import HostileFile, cut

NAN, INF = math.nan, math.inf
INT16 = 4


@dataclass(frozen=True)
class Header:
    """A NIfTI-1 header, as wrong as wanted."""

    sizes: tuple[int, ...] = (8, 7, 6)
    dimensions: int | None = None
    kind: int = INT16
    bits: int = 16
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    offset: float = 352.0
    slope: float = 1.0
    intercept: float = 0.0
    matrix: tuple[float, ...] = ()  # sform, by rows
    magic: bytes = b"n+1\0"
    order: str = "<"
    size_of_header: int = 348
    extension: bytes = bytes(4)

    def packed(self) -> bytes:
        """Header and the four bytes behind it."""
        out, order = bytearray(348), self.order
        sizes = [len(self.sizes) if self.dimensions is None else self.dimensions, *self.sizes]
        struct.pack_into(f"{order}i", out, 0, self.size_of_header)
        struct.pack_into(f"{order}8h", out, 40, *(sizes + [1] * 8)[:8])
        struct.pack_into(f"{order}2h", out, 70, self.kind, self.bits)
        struct.pack_into(f"{order}8f", out, 76, 1.0, *self.spacing, *[1.0] * 4)
        struct.pack_into(f"{order}3f", out, 108, self.offset, self.slope, self.intercept)
        out[123] = 2  # millimetres
        if self.matrix:
            struct.pack_into(f"{order}h", out, 254, 1)
            struct.pack_into(f"{order}12f", out, 280, *self.matrix)
        out[344:348] = self.magic
        return bytes(out) + self.extension

    def file(self, voxels: bytes | None = None) -> bytes:
        """Header and voxels; without any, as many as the sizes say, within reason."""
        count = math.prod(max(size, 1) for size in self.sizes)
        return self.packed() + (bytes(range(256)) * (min(2 * count, 4096) // 256 + 1) if voxels is None else voxels)


GOOD = Header()
BIG = 32767


def headers() -> Iterator[tuple[str, Header]]:
    """Headers that no image can have."""
    yield from _sizes()
    yield from _places()
    for kind, bits in ((0, 16), (1, 1), (32, 64), (1792, 128), (9999, 16), (-4, 16)):
        yield f"type-{kind}", replace(GOOD, kind=kind, bits=bits)
    yield "half-swapped", replace(GOOD, size_of_header=1543569408)
    for length in (0, -348, 540, 2**31 - 1):
        yield f"header-of-{length}", replace(GOOD, size_of_header=length)
    yield "voxels-in-another-file", replace(GOOD, magic=b"ni1\0")


def _sizes() -> Iterator[tuple[str, Header]]:
    for size in (BIG, 20000, 12000):
        yield f"claims-{size}-cubed", replace(GOOD, sizes=(size, size, size))
    yield "claims-a-plane", replace(GOOD, sizes=(BIG, BIG, 1))
    yield "claims-five-dimensions-of-everything", replace(GOOD, sizes=(BIG,) * 5)
    yield "claims-doubles", replace(GOOD, sizes=(4000, 4000, 400), kind=64, bits=64)
    for count in (0, 1, -1, 8, 100, 32767):
        yield f"dimensions-{count}", replace(GOOD, dimensions=count)
    yield "claims-phases", replace(GOOD, sizes=(200, 200, 20, BIG))
    yield "phases-cut", replace(GOOD, sizes=(8, 8, 8, 20))
    for count in (0, -3):
        yield f"phase-size-is-{count}", replace(GOOD, sizes=(4, 4, 4, count))
    yield "five-dimensions", replace(GOOD, sizes=(4, 4, 4, 1, 2))
    yield "seven-dimensions", replace(GOOD, sizes=(2,) * 7)
    for axis, wrong in product(range(3), (-8, -32768, 0)):
        sizes = tuple(wrong if a == axis else size for a, size in enumerate(GOOD.sizes))
        yield f"size-{axis}-is-{wrong}", replace(GOOD, sizes=sizes)


def _places() -> Iterator[tuple[str, Header]]:
    for word, wrong in (("nan", NAN), ("inf", INF), ("minus-inf", -INF)):
        yield f"spacing-{word}", replace(GOOD, spacing=(1.0, wrong, 1.0))
        yield f"all-spacings-{word}", replace(GOOD, spacing=(wrong, wrong, wrong))
        matrix = (wrong, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)
        yield f"matrix-{word}", replace(GOOD, matrix=matrix)
        yield f"offset-{word}", replace(GOOD, offset=wrong)
    yield "spacing-beyond-the-earth", replace(GOOD, spacing=(1e30, 1.0, 1.0))
    yield "matrix-of-zeros", replace(GOOD, matrix=(0.0,) * 12)
    yield "matrix-singular", replace(GOOD, matrix=(1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0))
    for place in (-352.0, 1e9, 1e30):
        yield f"voxels-at-{place:g}", replace(GOOD, offset=place)


def nifti_files() -> Iterator[HostileFile]:
    """All of them."""
    for name, header in headers():
        yield HostileFile(name, ".nii", header.file())
        if "claims" in name or "size" in name or "dimensions" in name:
            yield HostileFile(name, ".nii.gz", gzip.compress(header.file()))
    whole = GOOD.packed() + bytes(range(250)) * 3
    assert len(whole) >= 352 + 2 * math.prod(GOOD.sizes)
    yield from cut(".nii", whole[: 352 + 2 * 8 * 7 * 6], (1, 4, 100, 347, 348, 351, 352, 600, -1))
    packed = gzip.compress(whole)
    yield from cut(".nii.gz", packed, (1, 2, 10, 100, -9, -8, -1))
    yield HostileFile("big-endian-and-huge", ".nii", replace(GOOD, order=">", sizes=(BIG,) * 3).file())
    yield HostileFile("big-endian-and-cut", ".nii", replace(GOOD, order=">").file(b""))
    yield from _other_contents(packed)
    yield HostileFile("bomb-as-claimed", ".nii.gz", _claimed_bomb())
    yield HostileFile("second-version-huge", ".nii", _second_version(2**40))
    yield HostileFile("second-version-negative", ".nii", _second_version(-5))


def _other_contents(packed: bytes) -> Iterator[HostileFile]:
    wrong_sum = bytearray(packed)
    wrong_sum[-5] ^= 0xFF
    contents = {
        "wrong-checksum": bytes(wrong_sum),
        "gzip-in-gzip": gzip.compress(packed),
        "empty-gzip": gzip.compress(b""),
        "gzip-of-text": gzip.compress(b"hello " * 500),
        "zip": b"PK\x03\x04" + bytes(500),
        "html": b"<!doctype html><title>404</title>" * 20,
        "endless-name": b"\x1f\x8b\x08\x08" + bytes(6) + b"a" * 100_000,
        "extra-field-that-is-not-there": b"\x1f\x8b\x08\x04" + bytes(6) + b"\xff\xff" + b"a" * 10,
        "reserved-block": b"\x1f\x8b\x08\x00" + bytes(6) + b"\x07" * 100,
    }
    for name, content in contents.items():
        yield HostileFile(name, ".nii.gz", content)


def _claimed_bomb() -> bytes:
    return gzip_bomb(replace(GOOD, sizes=(1280, 1024, 2000), kind=2, bits=8).packed())


def inflating_label(shape: tuple[int, int, int]) -> HostileFile:
    """A label map that says it has the right size, with gigabytes behind its last voxel."""
    voxels = bytes(math.prod(shape))
    head = replace(GOOD, sizes=shape, kind=2, bits=8).packed() + voxels
    return HostileFile("more-than-claimed", ".nii.gz", gzip_bomb(head, BOMB_BYTES), must_fail=False)


def _second_version(size: int) -> bytes:
    out = bytearray(544)
    struct.pack_into("<i8s2h", out, 0, 540, b"n+2\0\r\n\x1a\n", INT16, 16)
    struct.pack_into("<8q", out, 16, 3, size, size, size, 1, 1, 1, 1)
    struct.pack_into("<8d", out, 104, *[1.0] * 8)
    struct.pack_into("<q2d", out, 168, 544, 1.0, 0.0)
    return bytes(out) + bytes(1000)
