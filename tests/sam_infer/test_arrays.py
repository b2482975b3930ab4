import sys
import threading

import numpy as np
import pytest

from sam_infer import arrays
from sam_infer.arrays import MAPPED_BYTES, PIECE_BYTES, PIECES_AHEAD, memory_ahead, zero_bytes

PIECES = 3 * PIECES_AHEAD


def room() -> np.ndarray:
    return np.empty(PIECES * PIECE_BYTES, np.uint8)


@pytest.mark.parametrize("shape", [(3, 4, 5), (128, 128, 128)])
def test_zeros_can_be_written(shape: tuple[int, int, int]) -> None:
    zeros = zero_bytes(shape)
    assert zeros.shape == shape and zeros.flags.f_contiguous and not zeros.any()
    zeros[1, 2, 3] = 7
    assert int(zeros.sum(dtype=int)) == 7 and (zeros.nbytes < MAPPED_BYTES or zeros.base is not None)


def test_what_is_filled_meanwhile_stays() -> None:
    """By the real call, whatever order the two threads come in."""
    array, written = room(), np.random.default_rng(1).integers(1, 255, PIECE_BYTES, np.uint8)
    with memory_ahead(array) as ahead:
        for n in range(PIECES):
            array[n * PIECE_BYTES : (n + 1) * PIECE_BYTES] = written
            ahead.filled(PIECE_BYTES)
    assert (array.reshape(PIECES, PIECE_BYTES) == written).all()


def test_it_is_a_few_pieces_ahead_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that holds less than its header says must not take the memory that it speaks of."""
    pieces, more = list[int](), threading.Semaphore(0)

    def ready(start: int, count: int) -> bool:
        pieces.append(count)
        more.release()
        return True

    monkeypatch.setattr(arrays, "_ready", ready)
    monkeypatch.setattr(sys, "platform", "linux")
    with memory_ahead(room()) as ahead:
        for _ in range(PIECES_AHEAD):
            assert more.acquire(timeout=60)
        assert not more.acquire(timeout=0.05)
        ahead.filled(PIECE_BYTES // 2)
        assert not more.acquire(timeout=0.05)
        ahead.filled(PIECE_BYTES)
        assert more.acquire(timeout=60)
    assert len(pieces) == PIECES_AHEAD + 1 and set(pieces) == {PIECE_BYTES}
    assert not [thread for thread in threading.enumerate() if thread.name == "memory"]


def test_all_but_the_first_piece_of_an_array_is_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[int, int]]()
    monkeypatch.setattr(arrays, "_ready", lambda start, count: asked.append((start, count)) or True)
    monkeypatch.setattr(sys, "platform", "linux")
    array = room()[100:-50]
    with memory_ahead(array) as ahead:
        ahead.filled(array.nbytes)
        for thread in [one for one in threading.enumerate() if one.name == "memory"]:
            thread.join(60)
    begin = array.ctypes.data + PIECE_BYTES
    end = array.ctypes.data + array.nbytes
    assert begin <= asked[0][0] < begin + 4096 and end - 4096 < sum(asked[-1]) <= end


def test_a_system_that_does_not_know_how_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    monkeypatch.setattr(arrays, "_ready", lambda start, count: asked.append(count) is not None)
    monkeypatch.setattr(sys, "platform", "linux")
    with memory_ahead(room()) as ahead:
        ahead.filled(PIECE_BYTES)
    assert len(asked) <= 1


def test_elsewhere_and_for_little_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_ready", lambda *_: pytest.fail("asked"))
    with memory_ahead(np.empty(1000, np.uint8)) as ahead:
        ahead.filled(1000)
    monkeypatch.setattr(sys, "platform", "darwin")
    with memory_ahead(room()) as ahead:
        ahead.filled(PIECE_BYTES)
