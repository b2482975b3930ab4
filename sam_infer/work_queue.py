"""Where everything that computes waits its turn: clicks first.

Threading model. Callers (server threads, prefetch, scoring) submit a function and get a future. `workers` threads
take the most urgent job, oldest first within one priority. A running job is never interrupted; long jobs are cut into
short ones by whoever submits them. A future that was cancelled before its turn is skipped.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from enum import IntEnum
from queue import PriorityQueue
from typing import Any, TypeVar

Result = TypeVar("Result")


class Priority(IntEnum):
    """Who goes first; smaller is sooner."""

    CLICK = 0
    VOLUME = 10
    PREFETCH = 20
    BATCH = 30
    STOP = 1000


class WorkQueue:
    """Worker threads over one priority queue."""

    def __init__(self, workers: int = 1, name: str = "infer") -> None:
        self._jobs: PriorityQueue[tuple[int, int, Future[Any], Callable[[], Any]]] = PriorityQueue()
        self._order = itertools.count()
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Callable[[], Result], priority: Priority = Priority.CLICK) -> Future[Result]:
        """Queue a job; its result or exception arrives in the future."""
        future: Future[Result] = Future()
        self._jobs.put((priority, next(self._order), future, job))
        return future

    @property
    def depth(self) -> int:
        """Jobs that wait."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Let the workers finish what is queued, then end."""
        for _ in self._threads:
            self._jobs.put((Priority.STOP, next(self._order), Future(), _nothing))
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            priority, _, future, job = self._jobs.get()
            if priority == Priority.STOP:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(job())
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who decides
                future.set_exception(error)


def _nothing() -> None:
    """The job of a stop message."""
