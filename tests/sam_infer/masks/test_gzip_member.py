"""Zeros that were packed before, among pieces that were not."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest

from sam_infer.masks.gzip_member import gzipped, zeros

MIB = 1 << 20


@pytest.mark.parametrize("count", [0, 1, 700, MIB, MIB + 1, 5 * MIB - 3])
def test_zeros_before_between_and_after(count: int) -> None:
    noise = np.random.default_rng(count).integers(0, 3, 70_000, np.uint8).tobytes()
    packed = gzipped([*zeros(count), b"head", noise, *zeros(count), memoryview(noise), *zeros(count)])
    wanted = bytes(count) + b"head" + noise + bytes(count) + noise + bytes(count)
    assert gzip.decompress(packed) == wanted
    reader = zlib.decompressobj(31)
    assert reader.decompress(packed) == wanted and reader.eof and not reader.unused_data  # one member, as browsers need
    assert gzipped([*zeros(count), b"head"]) == gzipped([*zeros(count), b"head"])


def test_nothing_is_a_member_too() -> None:
    assert gzip.decompress(gzipped([])) == b""


def test_many_zeros_are_few_bytes() -> None:
    assert len(gzipped(zeros(31 * MIB))) < 40_000
