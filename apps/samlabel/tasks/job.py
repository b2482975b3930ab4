"""Jobs of long requests: slices through the priority queue, progress for log and client, cancellation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from sam_infer.job import CancelledError, Job
from sam_infer.serving.server_state import Serving
from sam_infer.serving.work_queue import Priority
from samlabel.access.disconnect import client_has_gone
from samlabel.tasks.jobs import TrackedJob

log = structlog.get_logger(__name__)

LOG_SECONDS = 5.0


class Progress:
    """Counts the steps of one request and tells the log every few seconds."""

    def __init__(self, what: str, seconds: float = LOG_SECONDS) -> None:
        self._what, self._seconds = what, seconds
        self._started = self._told = time.monotonic()
        self._done = 0
        self._lock = threading.Lock()

    def __call__(self, done: int) -> None:
        """Some more steps are done."""
        with self._lock:
            self._done += done
            now = time.monotonic()
            if now - self._told < self._seconds:
                return
            self._told = now
        log.info("at work", request=self._what, steps=self._done, seconds=round(now - self._started, 1))


def tracked_job(request: Mapping[str, Any]) -> TrackedJob:
    """The job that the route keeps for this request; one of its own where there is none, as in batches.

    Only the route puts one there: what a client sends is text.
    """
    given = request.get("job")
    return given if isinstance(given, TrackedJob) else TrackedJob()


def volume_job(serving: Serving, what: str, request: Mapping[str, Any]) -> Job:
    """Every slice waits its turn behind clicks; all of it is called off when the client has gone or says so."""
    tracked, gone, progress = tracked_job(request), client_has_gone(), Progress(what)

    def cancelled() -> bool:
        return gone() or tracked.stops()

    def runner(work: Callable[[], Any]) -> Any:
        return serving.queue.submit(in_turn(work), Priority.VOLUME).result()

    def in_turn(work: Callable[[], Any]) -> Callable[[], Any]:
        def turn() -> Any:
            if cancelled():  # while it waited behind others
                raise CancelledError("the request was called off before its turn came")
            tracked.begin()
            return work()

        return turn

    def tell(slices: int) -> None:
        tracked.progress(slices)
        progress(slices)

    def foresee(seconds: float) -> None:
        tracked.foresee(seconds)
        log.info("will take a while", request=what, at_most_seconds=round(seconds, 1))

    part = lambda: tracked.partial and not gone()  # noqa: E731
    return Job(runner, cancelled, tell, tracked.expect, foresee, part, serving.queue.workers)
