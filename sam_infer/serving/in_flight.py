"""Deduplicates identical requests that are in flight; cancels a job when no client waits for it.

Threading model. Every request runs in a thread of its own and waits here. A job that nobody waits for any more is
taken out of the queue; one that runs is left to its end, which is near.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from sam_infer.errors import BusyError
from sam_infer.job import CancelledError
from sam_infer.serving.work_queue import Priority, WorkQueue

Result = TypeVar("Result")

# How often a request that waits looks whether its client is still there.
LOOK_SECONDS = 0.2

# A click whose turn has not come by then is refused: an answer after minutes helps nobody.
PATIENCE_SECONDS = 120.0


@dataclass
class _Pending:
    future: Future[Any]
    waiting: int = 0


class InFlight:
    """Shares jobs of the same key between all who wait for them at the same moment."""

    def __init__(self, queue: WorkQueue, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._queue = queue
        self._patience = patience_seconds
        self._lock = threading.RLock()  # a cancelled future reports itself in the thread that cancels it
        self._pending: dict[Hashable, _Pending] = {}
        self.shared = 0

    def ask(self, key: Hashable, job: Callable[[], Result], owner: str, gone: Callable[[], bool]) -> Result:
        """The job's result; `None` as a key is like nothing else. `owner` is whose turn it takes."""
        with self._lock:
            pending = self._pending.get(key) if key is not None else None
            if pending is None:
                pending = _Pending(self._queue.submit(job, Priority.CLICK, owner))
                if key is not None:
                    self._pending[key] = pending
                    pending.future.add_done_callback(lambda _: self._landed(key))
            else:
                self.shared += 1
            pending.waiting += 1
        try:
            return self._result(pending.future, gone)
        finally:
            with self._lock:
                pending.waiting -= 1
                if not pending.waiting:
                    pending.future.cancel()

    def _landed(self, key: Hashable) -> None:
        with self._lock:
            self._pending.pop(key, None)

    def _result(self, future: Future[Result], gone: Callable[[], bool]) -> Result:
        until = time.monotonic() + self._patience
        while True:
            try:
                return future.result(timeout=LOOK_SECONDS)
            except TimeoutError:
                if future.done():  # the job's own
                    raise
            if gone():
                raise CancelledError("the client has gone")
            if time.monotonic() > until and not future.running():
                raise BusyError(f"the server was busy for {self._patience:.0f} s: click again")
