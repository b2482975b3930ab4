"""Trainings and the end of servers: what a server started ends with it, what a killed one left behind is adopted.

A server that ends in peace asks its training to end; the state is kept, and `resume` goes on. A killed server asks
nobody: its training goes on alone, and the next server on the same home finds it by its lock and its progress file,
says so, tells how far it is, and stops it when somebody asks.
"""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from anyio import to_thread
from filelock import FileLock, Timeout
from monailabel.utils.async_tasks.utils import processes, tasks

from sam_trainer.training.progress import RUNNING, read_progress
from sam_trainer.training.run_round import LOCK_FILE, PROGRESS_FILE, training_folder

log = structlog.get_logger(__name__)

# A training looks for the signal between two steps and between two objects of a validation, then writes what it has.
STOP_SECONDS = 120.0

LOOK_EVERY_S = 0.1

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True)
class StandingTraining:
    """A training that runs and is no child of this process."""

    pid: int
    facts: dict[str, Any]
    lock: Path

    def status(self) -> dict[str, Any]:
        """As the host tells of its own."""
        started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.facts.get("start_ts", 0)))
        told = {"id": f"process {self.pid}", "status": "RUNNING", "start_ts": started, "adopted": True}
        return {**told, "progress": self.facts}

    def stop(self, seconds: float = STOP_SECONDS) -> dict[str, Any]:
        """Ask it to end and to keep what it has; one that does not is killed, and keeps its last epoch."""
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, STOP_SECONDS)):
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            if self._ends_within(patience):
                break
            log.warning("the training did not end in time", pid=self.pid, seconds=patience)
        return {**self.status(), "status": "STOPPED"}

    def _ends_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not _is_held(self.lock):
                return True
            time.sleep(LOOK_EVERY_S)
        return False


def standing_training(model: str) -> StandingTraining | None:
    """The training of a model that runs now and that this server did not start."""
    if processes("train"):
        return None
    folder = training_folder(model)
    facts = read_progress(folder / PROGRESS_FILE)
    # A number may belong to another process by now; the lock belongs to a training.
    if facts.get("state") != RUNNING or facts.get("pid") == os.getpid() or not _is_held(folder / LOCK_FILE):
        return None
    return StandingTraining(int(facts["pid"]), facts, folder / LOCK_FILE)


def adopt(model: str) -> None:
    """Say that an earlier server left a training behind, and what can be done with it."""
    found = standing_training(model)
    if found is not None:
        log.warning(
            "a training that this server did not start is running: GET /train/ tells how far it is, DELETE /train/ "
            "stops it",
            pid=found.pid,
            percent=found.facts.get("percent"),
        )


def end_trainings(seconds: float = STOP_SECONDS) -> None:
    """End what this server started: its state is kept; a server that waited for it to be done would not end."""
    for number, process in list(processes("train").items()):
        for task in tasks("train"):
            if task["id"] == number:
                task["status"] = "STOPPED"
        log.warning("the server ends, and its training with it: its state is kept, resume goes on", pid=process.pid)
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.warning("the training did not end in time and is killed; its last epoch is kept", seconds=seconds)
            process.kill()
            process.wait()


def ending_trainings(lifespan: Lifespan) -> Lifespan:
    """The same life of an application, at whose end its trainings end."""

    @asynccontextmanager
    async def until_the_end(app: Any) -> AsyncIterator[Any]:
        async with lifespan(app) as state:
            yield state
        await to_thread.run_sync(end_trainings)

    return until_the_end


def end_trainings_with_this_life() -> None:
    """Called while the application lives already, as under the host's own command line: trainings end with it too.

    What carries its life from its start to its end is one task, the one that this runs in.
    """
    try:
        life = asyncio.current_task()
    except RuntimeError:
        return  # it has not begun: `ending_trainings` sees to it
    if life is not None:
        life.add_done_callback(lambda _: end_trainings())


def stand_alone() -> None:
    """Called by a training in a process of its own: it can outlive the server that reads what it prints.

    Ctrl-C in the server's terminal is for the server, which passes it on.
    """
    with suppress(PermissionError):  # it leads a group already
        os.setsid()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        with suppress(OSError, ValueError, AttributeError):  # nothing behind it, as in tests
            setattr(sys, name, _lasting(stream.fileno()))


class _LastingFile(io.FileIO):
    """A pipe that swallows what is written once nobody reads it any more."""

    def write(self, content: Any, /) -> int:
        """As usual, or nowhere."""
        try:
            return super().write(content) or 0
        except BrokenPipeError:
            return len(memoryview(content).cast("B"))


def _lasting(number: int) -> io.TextIOWrapper:
    raw = _LastingFile(number, "wb", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), line_buffering=True)


def _is_held(lock: Path) -> bool:
    """Whether some process holds a lock."""
    probe = FileLock(str(lock), timeout=0)
    try:
        probe.acquire()
    except Timeout:
        return True
    probe.release()
    return False
