"""Array type aliases by dtype, and memory for arrays; shapes and axes stand beside each argument."""

from __future__ import annotations

import ctypes
import math
import mmap
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]
Int8Array = npt.NDArray[np.int8]
UInt8Array = npt.NDArray[np.uint8]
Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]

# From here on new memory is asked of the system, whose pages are zero until somebody writes them.
MAPPED_BYTES = 1 << 20

# The first touch of new memory is the system's work: 20 ms for a CT where it has the pages at hand, 200 on a virtual
# machine whose host has to find them, which is longer than unpacking the file takes. Linux can be asked to get pages
# ready without changing what is in them (since 5.14; `mmap` has no word for it).
_POPULATE_WRITE = 23

PIECE_BYTES = 2 << 20

# No further ahead: a file may hold less than its header says.
PIECES_AHEAD = 8


def zero_bytes(shape: tuple[int, ...]) -> UInt8Array:
    """Zeros, first axis fastest, that cost what is written of them.

    Memory used before is handed out again and would have to be filled: 4 ms of each click on a CT.
    """
    count = math.prod(shape)
    if count < MAPPED_BYTES:
        return np.zeros(shape, np.uint8, order="F")
    return np.frombuffer(mmap.mmap(-1, count), np.uint8).reshape(shape, order="F")


class MemoryAhead:
    """Has memory for the pieces of an array, in the order in which they are filled, from a thread beside that."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array, self._filled, self._over = array, 0, False
        self._wanted = threading.Semaphore(PIECES_AHEAD)

    def filled(self, count: int) -> None:
        """So many bytes more are in their place."""
        before, self._filled = self._filled, self._filled + count
        for _ in range(before // PIECE_BYTES, self._filled // PIECE_BYTES):
            self._wanted.release()

    def run(self) -> None:
        """In a thread of its own, until all is ready or `stop` is called; the first piece is being filled already."""
        start = self._array.ctypes.data
        first, end = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, (start + self._array.nbytes) & -mmap.PAGESIZE
        for at in range(first + PIECE_BYTES, end, PIECE_BYTES):
            self._wanted.acquire()
            if self._over or not _ready(at, min(PIECE_BYTES, end - at)):
                return

    def stop(self) -> None:
        """Nobody fills it any more."""
        self._over = True
        self._wanted.release()


@contextmanager
def memory_ahead(array: npt.NDArray[Any]) -> Iterator[MemoryAhead]:
    """Told what is filled, it is ahead of that; arrays of a few pieces are not worth a thread."""
    ahead = MemoryAhead(array)
    if sys.platform != "linux" or array.nbytes < PIECES_AHEAD * PIECE_BYTES:
        yield ahead
        return
    thread = threading.Thread(target=ahead.run, name="memory", daemon=True)
    thread.start()
    try:
        yield ahead
    finally:
        ahead.stop()
        thread.join()


def _ready(start: int, count: int) -> bool:
    """Have pages in memory, with what is in them; False where the system does not know how, or has none."""
    return not ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(count), _POPULATE_WRITE)
