"""One gzip member whose runs of zeros cost nothing: a mask of 31 MB is mostly those.

A megabyte of zeros is packed once and put in again and again: pieces of a deflate stream that begin with nothing
remembered may follow each other. Their check sum is arithmetic: zeros multiply a CRC by a power of x.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import TypeAlias

from isal import isal_zlib

Chunk: TypeAlias = bytes | memoryview

# gzip by Intel's library: 31 MB of a mask take 1 to 3 ms where zlib's fastest level takes 30.
# Level 0 makes ten times as many bytes of a mask, level 3 takes thirty times as long and makes more of them.
LEVEL = 1

RAW = -15

# Made anew in each process: no name, no time, an unknown system.
HEADER = bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF])

_ZEROS = memoryview(bytes(1 << 20))

# CRC-32's polynomial and the number 1, with the coefficient of x^0 in the highest bit.
POLYNOMIAL, ONE = 0xEDB88320, 1 << 31
INVERTED = 0xFFFFFFFF


def zeros(count: int) -> Iterator[Chunk]:
    """So many of them, from the same megabyte again and again."""
    for start in range(0, count, len(_ZEROS)):
        yield _ZEROS[: min(len(_ZEROS), count - start)]


def gzipped(chunks: Iterable[Chunk]) -> bytes:
    """One gzip member; the same bytes for the same pieces."""
    parts, check, length = [HEADER], 0, 0
    for known, pieces in groupby(chunks, _is_zeros):
        if known:
            count = sum(map(len, pieces))
            parts += [_packed_zeros(len(_ZEROS))] * (count // len(_ZEROS)) + [_packed_zeros(count % len(_ZEROS))]
            check = _followed_by_zeros(check, count)
            length += count
            continue
        packer = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, RAW)
        for piece in pieces:
            parts.append(packer.compress(piece))
            check = isal_zlib.crc32(piece, check)
            length += len(piece)
        parts.append(packer.flush(isal_zlib.Z_FULL_FLUSH))
    end = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, RAW).flush()
    return b"".join([*parts, end, struct.pack("<II", check, length & INVERTED)])


def _is_zeros(chunk: Chunk) -> bool:
    return isinstance(chunk, memoryview) and chunk.obj is _ZEROS.obj


@lru_cache(maxsize=256)
def _packed_zeros(count: int) -> bytes:
    """A piece of a stream, at most a megabyte of zeros."""
    if not count:
        return b""
    packer = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, RAW)
    return packer.compress(_ZEROS[:count]) + packer.flush(isal_zlib.Z_FULL_FLUSH)


def _followed_by_zeros(check: int, count: int) -> int:
    """The CRC of what had this one, and then so many zero bytes."""
    return _product(_power(8 * count), check ^ INVERTED) ^ INVERTED


@lru_cache(maxsize=4096)
def _power(number: int) -> int:
    """Of x."""
    found, square = ONE, 1 << 30  # x^0, and x^1 to be squared
    while number:
        if number & 1:
            found = _product(found, square)
        square = _product(square, square)
        number >>= 1
    return found


def _product(one: int, other: int) -> int:
    """Of two polynomials over two elements, modulo CRC-32's."""
    found = 0
    while one:
        if one & ONE:
            found ^= other
        one = one << 1 & INVERTED
        other = other >> 1 ^ (POLYNOMIAL if other & 1 else 0)
    return found
