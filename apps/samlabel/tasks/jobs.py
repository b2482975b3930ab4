"""Jobs that clients gave a name (a UUID): how far each is, for progress bars, and cancellation from another request.

Threading model. A request runs in a thread of its own, its slices in the threads of the queue, and other requests ask
about it or call it off at the same time. Everything about one job is behind that job's own lock, the list of jobs
behind the list's; nothing is computed while a lock is held. What is told is a copy.

A job belongs to the reader who started it: to everybody else it does not exist. Finished ones are remembered for some
minutes, so that whoever lost the connection can hear how it ended; the list is bounded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sam_infer.job import CancelledError
from samlabel.errors import JobError, NotFoundError

KEEP_SECONDS, KEEP_MOST = 600.0, 500

QUEUED, RUNNING, DONE, CANCELLED, FAILED = "queued", "running", "done", "cancelled", "failed"

Clock = Callable[[], float]


class TrackedJob:
    """One request under way; without an id nobody can ask about it, and it counts all the same."""

    def __init__(self, job_id: str = "", model: str = "", reader: str = "", partial: bool = False) -> None:
        self.id, self.model, self.reader, self.partial = job_id, model, reader, partial
        self._lock = threading.Lock()
        self._state = QUEUED
        self._done = 0
        self._expected: int | None = None
        self._foreseen: float | None = None
        self._called_off = False
        self._started, self._ended = time.monotonic(), 0.0

    def begin(self) -> None:
        """The first slice has its turn."""
        with self._lock:
            self._state = RUNNING if self._state == QUEUED else self._state

    def progress(self, slices: int) -> None:
        """So many slices more are computed."""
        with self._lock:
            self._done += slices

    def expect(self, slices: int) -> None:
        """So many slices more are to come, at most."""
        with self._lock:
            self._expected = (self._expected or 0) + slices

    def foresee(self, seconds: float) -> None:
        """So many seconds it will take at most."""
        with self._lock:
            self._foreseen = (self._foreseen or 0.0) + seconds

    def call_off(self) -> None:
        """Stop before the next slice."""
        with self._lock:
            self._called_off = True

    def stops(self) -> bool:
        """Whether to stop; who hears so computes no further slice, and the job counts as cancelled."""
        with self._lock:
            if self._called_off and self._state in (QUEUED, RUNNING):
                self._state = CANCELLED
            return self._called_off

    def end(self, state: str) -> None:
        """It is over; a job that was cancelled stays so, whatever it could still answer."""
        with self._lock:
            self._ended = time.monotonic()
            self._state = self._state if self._state == CANCELLED else state

    @property
    def ended(self) -> float | None:
        """When it was over; None before."""
        with self._lock:
            return self._ended or None

    def facts(self) -> dict[str, Any]:
        """What a client is told; as many slices as were computed are the total once it is done."""
        with self._lock:
            total = None if self._expected is None else max(self._expected, self._done)
            return {
                "id": self.id,
                "model": self.model,
                "state": self._state,
                "done": self._done,
                "total": self._done if self._state == DONE else total,
                "seconds": round((self._ended or time.monotonic()) - self._started, 2),
                **({} if self._foreseen is None else {"foreseen": round(self._foreseen, 1)}),
            }


class Jobs:
    """The named jobs of one server, those under way and those that ended lately."""

    def __init__(self, seconds: float = KEEP_SECONDS, most: int = KEEP_MOST, clock: Clock = time.monotonic) -> None:
        self._seconds, self._most, self._clock = seconds, most, clock
        self._lock = threading.Lock()
        self._known: dict[str, TrackedJob] = {}

    @contextmanager
    def tracked(self, job: TrackedJob) -> Iterator[TrackedJob]:
        """Have a job in the list while the block runs and some time longer; how it ends is how the block ends."""
        if job.id:
            self._add(job)
        try:
            yield job
        except CancelledError as error:
            hung_up = not job.stops()
            job.end(CANCELLED)
            if hung_up:
                raise
            raise JobError(_stopped(job), "job") from error
        except BaseException:
            job.end(FAILED)
            raise
        job.end(DONE)

    def of(self, job_id: str, reader: str) -> TrackedJob:
        """A reader's own job; refused like one that never was when it is another's or forgotten."""
        with self._lock:
            self._forget()
            job = self._known.get(job_id)
        if job is None or job.reader != reader:
            raise NotFoundError(f"there is no job {job_id}; one that ended is forgotten after some minutes", "job")
        return job

    def _add(self, job: TrackedJob) -> None:
        with self._lock:
            self._forget()
            other = self._known.pop(job.id, None)
            if other is not None and (other.ended is None or other.reader != job.reader):
                self._known[job.id] = other
                raise JobError(f"the job id {job.id} is taken: give every request an id of its own", "job")
            self._known[job.id] = job

    def _forget(self) -> None:
        """Drop what ended long ago, and the oldest of too many; the caller holds the lock."""
        now = self._clock()
        ended = {job.id: job.ended for job in self._known.values() if job.ended is not None}
        surplus = len(self._known) - self._most
        for number, job_id in enumerate(sorted(ended, key=lambda name: ended[name] or 0.0)):
            if number < surplus or now - (ended[job_id] or 0.0) > self._seconds:
                del self._known[job_id]


def _stopped(job: TrackedJob) -> str:
    done = job.facts()["done"]
    kept = ", before there was a part to keep" if job.partial else ""
    return f"the job was cancelled after {done} {'slice' if done == 1 else 'slices'}{kept}"


# One list per process, as there is one app.
JOBS = Jobs()
