"""Array type aliases by dtype; shapes and axes stand beside each argument."""

from __future__ import annotations

import math
import mmap

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


def zero_bytes(shape: tuple[int, ...]) -> UInt8Array:
    """Zeros, first axis fastest, that cost what is written of them.

    Memory used before is handed out again and would have to be filled: 4 ms of each click on a CT.
    """
    count = math.prod(shape)
    if count < MAPPED_BYTES:
        return np.zeros(shape, np.uint8, order="F")
    return np.frombuffer(mmap.mmap(-1, count), np.uint8).reshape(shape, order="F")
