"""Priority queue of all compute jobs, with worker threads: clicks first, owners take turns (fair scheduling).

Threading model. Callers (server threads, prefetch, scoring) submit a function and get a future. `workers` threads
take the most urgent job. Within one priority owners take turns: somebody's second job waits behind everybody's first;
otherwise the oldest goes first. A running job is never interrupted; long jobs are cut into
short ones by whoever submits them. A future that was cancelled before its turn is skipped.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Job:
    work: Callable[[], Any]
    future: Future[Any]
    owner: str = ""


class WorkQueue:
    """Worker threads over one priority queue."""

    def __init__(self, workers: int = 1, name: str = "infer") -> None:
        self._jobs: PriorityQueue[tuple[int, int, int, _Job]] = PriorityQueue()
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._turns: Counter[tuple[int, str]] = Counter()  # jobs that wait, by priority and owner
        self._name = name
        self._threads: list[threading.Thread] = []
        self.grow(workers)

    def grow(self, workers: int) -> None:
        """Have at least so many worker threads."""
        for n in range(len(self._threads), workers):
            thread = threading.Thread(target=self._work, name=f"{self._name}-{n}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def submit(self, job: Callable[[], Result], priority: Priority = Priority.CLICK, owner: str = "") -> Future[Result]:
        """Queue a job; its result or exception arrives in the future. Without an owner it takes no turns."""
        future: Future[Result] = Future()
        turn = 0
        if owner:
            with self._lock:
                turn = self._turns[priority, owner]
                self._turns[priority, owner] += 1
        self._jobs.put((priority, turn, next(self._order), _Job(job, future, owner)))
        return future

    @property
    def workers(self) -> int:
        """Jobs that run side by side."""
        return len(self._threads)

    @property
    def depth(self) -> int:
        """Jobs that wait."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Let the workers finish what is queued, then end."""
        for _ in self._threads:
            self._jobs.put((Priority.STOP, 0, next(self._order), _Job(_nothing, Future())))
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            priority, _, _, job = self._jobs.get()
            if priority == Priority.STOP:
                return
            if job.owner:
                self._took_turn(priority, job.owner)
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                job.future.set_result(job.work())
            except BaseException as error:  # noqa: BLE001 - handed to the caller, who decides
                job.future.set_exception(error)

    def _took_turn(self, priority: int, owner: str) -> None:
        with self._lock:
            self._turns[priority, owner] -= 1
            if not self._turns[priority, owner]:
                del self._turns[priority, owner]


def _nothing() -> None:
    """The job of a stop message."""
