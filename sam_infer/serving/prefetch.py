"""Prefetch: encodes the slices that a reader will probably click on next, while the reader thinks.

After a click: the next slices in the direction that the reader goes, or one on either side of the first. A new click
takes back what was not begun. All of it waits behind everything else, and is only done where an encode is short: one
that runs cannot be interrupted, and a click would wait for its end. The case that a reader is sent to is read at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from sam_infer.errors import SamError
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import Window
from sam_infer.serving.work_queue import Priority, WorkQueue
from sam_infer.slices.predictor import Prediction, Predictor

log = structlog.get_logger(__name__)

# Slices ahead of a reader.
AHEAD = 2

# The longest encode that may stand in the way of a click.
MOST_SECONDS = 0.3

MOST_READERS = 256


@dataclass(frozen=True)
class _Place:
    """Where a reader clicked last, and in which direction it went."""

    image: str
    axis: int
    index: int
    step: int = 0

    def next(self, image: str, axis: int, index: int) -> _Place:
        """After another click."""
        if (image, axis) != (self.image, self.axis):
            return _Place(image, axis, index)
        moved = (index > self.index) - (index < self.index)
        return _Place(image, axis, index, moved or self.step)

    def ahead(self, length: int) -> list[int]:
        """The slices to be ready on."""
        steps = [self.step * n for n in range(1, AHEAD + 1)] if self.step else [1, -1]
        return [self.index + step for step in steps if 0 <= self.index + step < length]


def encodes_at_once(predictor: Predictor) -> bool:
    """Whether an encode is too short to be noticed; unknown, so no, until a click has paid for one."""
    spent = predictor.cache.stats.encode_seconds.get(predictor.backbone.encoder_id)
    return spent is not None and spent <= MOST_SECONDS


class Prefetch:
    """One wish list per reader; any thread may call."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._waiting: dict[str, list[Future[None]]] = {}
        self.encodes = 0
        self._reading = ThreadPoolExecutor(1, "read-ahead")

    def follow(self, reader: str, predictor: Predictor, volume: Volume, prediction: Prediction) -> None:
        """A reader was answered: get ready for the next click."""
        view = prediction.view
        with self._lock:
            before = self._places.pop(reader, _Place("", 0, 0))
            place = self._places[reader] = before.next(volume.digest, view.axis, view.index)
            if len(self._places) > MOST_READERS:
                self._forget(next(iter(self._places)))
            self._take_back(reader)
            if not encodes_at_once(predictor):
                return
            length = volume.geometry.shape[view.axis]
            self._waiting[reader] = [
                self._submit(predictor, volume, view.axis, k, prediction.window) for k in place.ahead(length)
            ]

    def open(self, read: Callable[[], Volume]) -> None:
        """A case was offered to a reader: have it in memory, with its digest, when the reader clicks."""

        def work() -> None:
            try:
                _ = read().digest
            except SamError as error:  # whoever clicks is told
                log.info("case not read ahead", reason=str(error))

        self._reading.submit(work)

    def _submit(self, predictor: Predictor, volume: Volume, axis: int, index: int, window: Window) -> Future[None]:
        def encode() -> None:
            self.encodes += predictor.prepare(volume, axis, index, window)

        return self._queue.submit(encode, Priority.PREFETCH)

    def _take_back(self, reader: str) -> None:
        for future in self._waiting.pop(reader, []):
            future.cancel()

    def _forget(self, reader: str) -> None:
        del self._places[reader]
        self._take_back(reader)
