"""What the header of a PNG, JPEG or TIFF file claims; the readers of these take memory, or half a minute, first."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO

from sam_infer.imaging.claims.claim import PACKED, Claim, refusal, require_affordable

# Whether the content is what the name says: each library reads only its own.
PNG, JPEG, TIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
DEPTHS = (1, 2, 4, 8, 16)

# JPEG segments that begin a frame: all of C0 to CF but tables and extensions.
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
JPEG_END, JPEG_TAIL = b"\xff\xd9", 4096
ALONE = {0x01, *range(0xD0, 0xD9)}

WIDTH, HEIGHT, BITS, SAMPLES, TILE_WIDTH, TILE_HEIGHT = 256, 257, 258, 277, 322, 323
TIFF_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
MOST_TAGS = 4096


def picture_claim(path: Path) -> Claim:
    """The claim of a picture, whichever of the three it is."""
    with path.open("rb") as file:
        head = file.read(33)
        file.seek(0)
        try:
            if head.startswith(PNG):
                return _png(path.name, head)
            if head.startswith(JPEG):
                return _jpeg(path.name, file, path.stat().st_size)
            if head[:4] in TIFF:
                return _tiff(path.name, file)
        except (struct.error, IndexError, OSError, ValueError):
            raise refusal(path.name, "it is cut short or damaged") from None
    raise refusal(path.name, "it is no PNG, JPEG or TIFF file")


def _png(name: str, head: bytes) -> Claim:
    width, height, depth, colour = struct.unpack_from(">2I2B", head, 16)
    if head[12:16] != b"IHDR" or colour not in PNG_CHANNELS or depth not in DEPTHS:
        raise refusal(name, "its header is damaged")
    return Claim((width, height), PNG_CHANNELS[colour] * (2 if depth == 16 else 1), packing=PACKED)


def _jpeg(name: str, file: BinaryIO, size: int) -> Claim:
    file.seek(max(size - JPEG_TAIL, 0))
    if JPEG_END not in file.read():
        raise refusal(name, "it is cut short")  # the library would paint the rest grey
    file.seek(2)
    while (marker := file.read(2)) and marker[0] == 0xFF:
        if marker[1] in ALONE:
            continue
        if marker[1] == 0xFF:  # padding
            file.seek(-1, 1)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if marker[1] in FRAMES:
            depth, height, width, channels = struct.unpack(">B2HB", file.read(6))
            if channels not in (1, 3, 4) or depth not in (8, 12, 16):
                raise refusal(name, "its header is damaged")
            return Claim((width, height), channels * (1 if depth == 8 else 2), packing=PACKED)
        file.seek(max(length - 2, 0), 1)
    raise refusal(name, "it is cut short or damaged")


def _tiff(name: str, file: BinaryIO) -> Claim:
    start = file.read(4)
    order, big = ("<" if start[:2] == b"II" else ">"), 43 in start[2:]
    word, entry = ("Q", 20) if big else ("I", 12)
    file.seek(8 if big else 4)
    file.seek(min(*struct.unpack(order + word, file.read(8 if big else 4)), 2**62))
    (count,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
    if not 1 <= count <= MOST_TAGS:
        raise refusal(name, f"its header claims {count} fields")
    tags: dict[int, int] = {}
    for _ in range(count):
        field = file.read(entry)
        tag, kind = struct.unpack_from(f"{order}2H", field)
        if kind in TIFF_NUMBERS and (kind != 16 or big):
            (tags[tag],) = struct.unpack_from(order + TIFF_NUMBERS[kind], field, entry - (8 if big else 4))
    samples, bits = tags.get(SAMPLES, 1), tags.get(BITS, 8) if tags.get(SAMPLES, 1) == 1 else 8
    if samples not in (1, 2, 3, 4) or not 1 <= bits <= 64:
        raise refusal(name, f"its header claims {samples} values of {bits} bits per pixel")
    tile = tags.get(TILE_WIDTH, 1), tags.get(TILE_HEIGHT, 1)
    require_affordable(name, tile, 4 * math.prod(tile))
    return Claim((tags.get(WIDTH, 0), tags.get(HEIGHT, 0)), samples * max(1, -(-bits // 8)), packing=PACKED)
