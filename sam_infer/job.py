"""The job behind a long request: the runner of each slice's work, cancellation, and progress reporting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sam_infer.errors import SamError

Result = TypeVar("Result")


class CancelledError(SamError):
    """Nobody waits for the answer any more."""


class Runner(Protocol):
    """Does short work and returns its result, e.g. by putting it into a queue and waiting for its turn."""

    def __call__(self, work: Callable[[], Any]) -> Any:
        """The result of the work."""
        ...


def _here(work: Callable[[], Any]) -> Any:
    return work()


def _never() -> bool:
    return False


def _silently(done: int) -> None:
    """No progress reporting."""


@dataclass(frozen=True)
class Job:
    """By default: compute in this thread, without cancellation or progress reporting."""

    runner: Runner = _here
    cancelled: Callable[[], bool] = _never
    progress: Callable[[int], None] = _silently  # slices computed since the last call

    def slice(self, work: Callable[[], Result]) -> Result:
        """One slice's work; raises `CancelledError` instead when the request was called off."""
        if self.cancelled():
            raise CancelledError("the request was called off before it was done")
        result: Result = self.runner(work)
        self.progress(1)
        return result
