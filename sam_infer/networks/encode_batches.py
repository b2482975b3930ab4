"""Dynamic batching of encodes: frames that several threads want at the same moment, in one forward pass.

A GPU encodes eight frames in hardly more time than one. Whoever finds the network free takes along all that wait; the
others find theirs done. Nobody waits for a batch to fill.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from sam_infer.arrays import UInt8Array
from sam_infer.networks.backbone import Features

Stack = UInt8Array  # what one call of `encode` is given

MOST = 8


class EncodeBatches:
    """Any number of threads call `encode`; `encode_all` runs in one of them at a time."""

    def __init__(self, encode_all: Callable[[Sequence[Stack]], list[Features]], most: int = MOST) -> None:
        self._encode_all = encode_all
        self._most = most
        self._free = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: list[tuple[Stack, Future[Features]]] = []

    def encode(self, stack: Stack) -> Features:
        """Model input to features, alone or together with others."""
        mine: Future[Features] = Future()
        with self._lock:
            self._waiting.append((stack, mine))
        while not mine.done():
            with self._free:
                if not mine.done():
                    self._pass()
        return mine.result()

    def _pass(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            found = self._encode_all([stack for stack, _ in batch])
        except BaseException as error:  # noqa: BLE001 - everybody in the batch is told
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), features in zip(batch, found, strict=True):
            future.set_result(features)
