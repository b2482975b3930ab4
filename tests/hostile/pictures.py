"""Hostile PNG, JPEG and TIFF."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.hostile.bombs import zlib_bomb
from tests.hostile.file import HostileFile, cut

GREY, RGB = 0, 2


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int, height: int, depth: int = 8, colour: int = GREY, data: bytes | None = None, more: bytes = b""
) -> bytes:
    """A PNG whose header says anything, around a stream of voxels."""
    head = struct.pack(">2I5B", width & 0xFFFFFFFF, height & 0xFFFFFFFF, depth, colour, 0, 0, 0)
    pixels = zlib.compress(bytes(4096)) if data is None else data
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def tiff(entries: dict[int, tuple[int, int, int]], tail: bytes = b"", next_ifd: int = 0) -> bytes:
    """A little-endian TIFF of one directory: tag to type, count and value."""
    fields = {
        256: (4, 1, 8),
        257: (4, 1, 8),
        258: (3, 1, 8),
        259: (3, 1, 1),
        262: (3, 1, 1),
        273: (4, 1, 200),
        277: (3, 1, 1),
        278: (4, 1, 8),
        279: (4, 1, 64),
        **entries,
    }
    body = b"".join(struct.pack("<HHII", tag, *fields[tag]) for tag in sorted(fields))
    head = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(fields)) + body + struct.pack("<I", next_ifd)
    return head.ljust(200, b"\0") + (tail or bytes(64))


def picture_files() -> Iterator[HostileFile]:
    """All of them."""
    yield from _png_files()
    yield from _tiff_files()
    yield from _jpeg_files()
    for suffix in (".png", ".jpg", ".tif"):
        yield HostileFile("text", suffix, b"hello, I am a picture\n" * 10)
        yield HostileFile("zeros", suffix, bytes(1000))


def _png_files() -> Iterator[HostileFile]:
    for width, height in ((0, 8), (8, 0), (2**31 - 1, 2**31 - 1), (60000, 60000), (2**31 - 1, 1), (-1, 8)):
        yield HostileFile(f"claims-{width}-by-{height}", ".png", png(width, height))
    yield HostileFile("claims-deep-colour", ".png", png(40000, 40000, 16, 6))
    yield HostileFile("bomb-as-claimed", ".png", png(50000, 52000, data=zlib_bomb(2600 << 20)))
    for depth in (0, 3, 32, 255):
        yield HostileFile(f"depth-{depth}", ".png", png(8, 8, depth))
    for colour in (1, 5, 7):
        yield HostileFile(f"colour-type-{colour}", ".png", png(8, 8, 8, colour))
    yield HostileFile("no-palette", ".png", png(8, 8, 8, 3))
    yield HostileFile("pixels-are-no-stream", ".png", png(64, 64, data=b"\xff" * 100))
    yield HostileFile("too-few-pixels", ".png", png(640, 640, data=zlib.compress(b"\0")))
    yield HostileFile("chunk-without-end", ".png", png(8, 8, more=b"\xff\xff\xff\xfftEXt"))
    whole = png(8, 8)
    yield HostileFile("wrong-checksum", ".png", whole[:29] + b"\0\0\0\0" + whole[33:])
    yield HostileFile("no-pixels", ".png", whole[:33] + chunk(b"IEND", b""))
    yield from cut(".png", png(64, 64, data=zlib.compress(bytes(range(256)) * 17)), (1, 8, 20, 33, 45))


def _tiff_files() -> Iterator[HostileFile]:
    changes: dict[str, dict[int, tuple[int, int, int]]] = {
        "width-zero": {256: (4, 1, 0)},
        "claims-a-plane": {256: (4, 1, 2**31), 257: (4, 1, 2**31)},
        "claims-60000": {256: (4, 1, 60000), 257: (4, 1, 60000), 278: (4, 1, 60000)},
        "bits-255": {258: (3, 1, 255)},
        "samples-65535": {277: (3, 1, 65535)},
        "compression-unknown": {259: (3, 1, 999)},
        "pixels-beyond-the-end": {273: (4, 1, 2**31)},
        "no-rows-per-strip": {278: (4, 1, 0)},
        "strip-longer-than-file": {279: (4, 1, 2**31), 257: (4, 1, 2000), 278: (4, 1, 2000)},
        "deflate-of-nothing": {259: (3, 1, 8)},
        "tiles-of-a-plane": {322: (3, 1, 65520), 323: (3, 1, 65520), 324: (4, 1, 200), 325: (4, 1, 64)},
        "photometric-unknown": {262: (3, 1, 999)},
    }
    for name, entries in changes.items():
        yield HostileFile(name, ".tif", tiff(entries))
    yield HostileFile("directory-points-at-itself", ".tif", tiff({256: (4, 1, 0)}, next_ifd=8))
    yield HostileFile("directory-beyond-the-end", ".tif", struct.pack("<2sHI", b"II", 42, 2**31))
    yield HostileFile("directory-of-65535", ".tif", struct.pack("<2sHIH", b"II", 42, 8, 65535) + bytes(200))
    yield HostileFile("wrong-byte-order", ".tif", struct.pack("<2sHI", b"MM", 42, 8) + tiff({})[8:])
    yield HostileFile("bigtiff-of-nothing", ".tif", struct.pack("<2sHHHQ", b"II", 43, 8, 0, 2**60))
    bomb = zlib_bomb(2600 << 20)
    claims = {256: (4, 1, 50000), 257: (4, 1, 52000), 278: (4, 1, 52000), 259: (3, 1, 8), 279: (4, 1, len(bomb))}
    yield HostileFile("bomb-as-claimed", ".tif", tiff(claims, bomb))
    yield from cut(".tif", tiff({}), (1, 4, 8, 9, 60, 100, 230))


def _jpeg_files() -> Iterator[HostileFile]:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG")
    whole = buffer.getvalue()
    place = whole.index(b"\xff\xc0") + 5
    for height, width in ((0, 64), (64, 0), (65500, 65500)):
        yield HostileFile(
            f"claims-{width}-by-{height}", ".jpg", _patched(whole, place, struct.pack(">2H", height, width))
        )
    yield HostileFile("no-components", ".jpg", _patched(whole, place + 4, b"\0"))
    yield HostileFile("fifty-components", ".jpg", _patched(whole, place + 4, b"\x32"))
    yield HostileFile("precision-3", ".jpg", _patched(whole, place - 1, b"\x03"))
    yield HostileFile("no-tables", ".jpg", whole[:2] + whole[whole.index(b"\xff\xc0") :])
    yield from cut(".jpg", whole, (1, 2, 10, 100, 200, len(whole) // 2))


def _patched(whole: bytes, at: int, part: bytes) -> bytes:
    return whole[:at] + part + whole[at + len(part) :]
