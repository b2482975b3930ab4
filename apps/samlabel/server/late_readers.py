"""Loads ITK once somebody works with this server and pauses: a server that nobody works with does without it.

A reader's first label would wait two seconds for it; a start, and every idle server, would pay for it for nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from sam_infer.serving.activity import Activity
from samlabel.engine import load_readers

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0


class LateReaders:
    """A thread that ends once it has loaded them."""

    def __init__(
        self, activity: Activity | None = None, load: Callable[[], None] = load_readers, seconds: float = LOOK_SECONDS
    ) -> None:
        self._activity, self._load, self._seconds = activity or Activity(), load, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="late-readers", daemon=True)

    def start(self) -> None:
        """Begin to watch for clicks."""
        self._thread.start()

    def stop(self) -> None:
        """End without them."""
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(self._seconds):
            if not self._activity.busy():
                continue
            self._activity.wait(self._stop.is_set)  # not between a reader's clicks: they would wait for it
            if not self._stop.is_set():
                self._load()
                log.debug("readers of other files loaded")
            return
