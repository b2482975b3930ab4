"""How far a command is: a bar with the time left on a terminal, else a line at least every five seconds.

Whoever redirects a command into a file, or runs it in a batch system, sees that it lives and how long it will take.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sam_infer.job import Job

EVERY_S = 2.0  # so that five never pass: loading torch holds up every thread for seconds
BAR_EVERY_S = 0.5

# Shorter work is not announced.
WORTH_TELLING_S = 60.0


@dataclass(frozen=True)
class Status:
    """What a command is at, and how much of it is done."""

    words: str
    done: float = 0.0
    of: float | None = None

    def line(self, seconds: float) -> str:
        """The same for a file; `seconds` have passed since the command began."""
        said = f"{seconds:.0f} s: {self.words}"
        if not self.of:
            return said
        said += f", {100 * self.done / self.of:.0f} %"
        return f"{said}, about {_duration(seconds * (self.of - self.done) / self.done)} left" if self.done > 0 else said


Tell = Callable[[Status], None]


@contextmanager
def telling(
    first: str, look: Callable[[], Status | None] | None = None, stream: TextIO | None = None
) -> Iterator[Tell]:
    """Say now and then what `look` sees, or what was told last; of two that are open only the inner one speaks."""
    told = _Told(first, look, stream or sys.stderr)
    _OPEN.append(told)
    try:
        with told:
            yield told.tell
    finally:
        _OPEN.remove(told)


def following(name: str, told: Tell, done: float = 0.0, of: float | None = None) -> Job:
    """The job of one image: its slices are told as they come, and how long they take, where that is minutes, before."""
    steps = [0]

    def step(slices: int) -> None:
        steps[0] += slices
        told(Status(f"{name}, step {steps[0]}", done, of))

    def foresee(seconds: float) -> None:
        if seconds >= WORTH_TELLING_S:
            sys.stderr.write(f"{name}: up to {_duration(seconds)} on this machine; Ctrl-C stops it\n")

    return Job(progress=step, foreseen=foresee)


_OPEN: list[_Told] = []


class _Told:
    """What was told last, and the thread that says it."""

    def __init__(self, first: str, look: Callable[[], Status | None] | None, stream: TextIO) -> None:
        self._status = Status(first)
        self._look = look
        self._stream = stream
        self._began = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._speak, daemon=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        if stream.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(file=stream), transient=True)
            self._task = self._bar.add_task(first, total=None)

    def tell(self, status: Status) -> None:
        """What is being done from now on."""
        self._status = status

    def __enter__(self) -> None:
        if self._bar is not None:
            self._bar.start()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._bar is not None:
            self._bar.stop()

    def _speak(self) -> None:
        while not self._over.wait(BAR_EVERY_S if self._bar is not None else EVERY_S):
            seen = self._look() if self._look is not None else None
            status = seen or self._status
            if self._bar is not None:
                self._bar.update(self._task, description=status.words, completed=status.done, total=status.of)
            elif _OPEN[-1:] == [self]:
                self._stream.write(status.line(time.monotonic() - self._began) + "\n")
                self._stream.flush()


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
