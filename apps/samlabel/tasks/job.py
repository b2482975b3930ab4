"""Jobs of long requests: slices through the priority queue, progress in the log, cancellation on disconnect."""

from __future__ import annotations

import threading
import time

import structlog

from sam_infer.job import Job
from sam_infer.serving.server_state import Serving
from sam_infer.serving.work_queue import Priority
from samlabel.access.disconnect import client_has_gone

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


def volume_job(serving: Serving, what: str) -> Job:
    """Every slice waits its turn behind clicks; all of it is called off when the client has gone."""
    return Job(lambda work: serving.queue.submit(work, Priority.VOLUME).result(), client_has_gone(), Progress(what))
