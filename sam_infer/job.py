"""The job behind a long request: the runner of each slice's work, cancellation, and progress reporting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar

from sam_infer.errors import SamError

Result = TypeVar("Result")
Item = TypeVar("Item")


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


def _silently(slices: int) -> None:
    """No progress reporting."""


def _quickly(seconds: float) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class Job:
    """By default: compute in this thread, without cancellation or progress reporting.

    Called off, a job ends with `CancelledError`. Where somebody wants what was found until then, engines answer in
    part: they take their slices through `kept`, and say in the answer that it is not whole.
    """

    runner: Runner = _here
    cancelled: Callable[[], bool] = _never
    progress: Callable[[int], None] = _silently  # slices computed since the last call
    expected: Callable[[int], None] = _silently  # so many more slices are to come, at most
    foreseen: Callable[[float], None] = _quickly  # seconds that it will take at most, where they may become minutes
    partial: Callable[[], bool] = _never  # asked when the job was called off: is a part of the answer wanted
    workers: int = 1  # so many pieces of work the runner does side by side

    def uncounted(self) -> Job:
        """The same without progress reporting: for work that is a part of what the caller counts."""
        return replace(self, progress=_silently, expected=_silently)

    def check(self) -> None:
        """Raise `CancelledError` when the request was called off."""
        if self.cancelled():
            raise CancelledError("the request was called off before it was done")

    def slice(self, work: Callable[[], Result]) -> Result:
        """One slice's work; raises `CancelledError` instead when the request was called off."""
        self.check()
        result: Result = self.runner(work)
        self.progress(1)
        return result

    def pieces(self, works: Sequence[Callable[[], Result]]) -> list[Result]:
        """Pieces of work that need not wait for each other, side by side where the runner can; results in order."""
        if self.workers == 1:
            return [self.slice(work) for work in works]
        with ThreadPoolExecutor(self.workers) as waiting:
            return list(waiting.map(self.slice, works))

    def kept(self, items: Iterable[Item]) -> Kept[Item]:
        """What long work yields, up to where it was called off if a part is wanted."""
        return Kept(self, items)


class Kept(Generic[Item]):
    """Items as they come; `whole` tells afterwards whether they are all."""

    def __init__(self, job: Job, items: Iterable[Item]) -> None:
        self._job = job
        self._items = items
        self.whole = True

    def __iter__(self) -> Iterator[Item]:
        try:
            yield from self._items
        except CancelledError:
            if not self._job.partial():
                raise
            self.whole = False
