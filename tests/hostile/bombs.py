"""Compressed zeros by the gigabyte, made in milliseconds: a compressed piece is repeated, not compressed again."""

from __future__ import annotations

import gzip
import struct
import zlib

PIECE = 16 << 20

# A little more than the server takes by default.
BOMB_BYTES = 2500 << 20


def gzip_bomb(head: bytes, zeros: int = BOMB_BYTES) -> bytes:
    """A gzip file of `head` and that many zeros: a file may consist of many members, and these are all the same."""
    count, rest = divmod(zeros, PIECE)
    return gzip.compress(head) + gzip.compress(bytes(PIECE), 9) * count + gzip.compress(bytes(rest), 9)


def zlib_bomb(zeros: int = BOMB_BYTES) -> bytes:
    """A zlib stream of that many zeros, as PNG, TIFF and MetaImage hold them: flushed blocks may be repeated."""
    packer = zlib.compressobj(9)
    start = packer.compress(b"") + packer.compress(bytes(PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(PIECE)) + packer.flush(zlib.Z_FULL_FLUSH)
    count = -(-zeros // PIECE)
    end = b"\x03\x00"  # an empty last block
    adler = ((count * PIECE) % 65521) << 16 | 1
    return start + block * (count - 1) + end + struct.pack(">I", adler)
