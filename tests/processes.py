"""What tests start and wait for: a process ends with its test, and a wait ends with an event.

No verdict depends on how fast the machine is: the limit of a wait only catches what would never come.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from typing import Any

# Far beyond what anything takes on a machine that is busy with other things.
HANG_S = 1200.0

# Processes of `apart` begin as copies of one that has loaded what they use: loading takes longer than their work.
CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.preloaded"])


@contextmanager
def apart(function: Callable[..., None], *arguments: object) -> Iterator[ForkServerProcess]:
    """A function in a process of its own, which is killed when the block ends, should it still run."""
    process = CONTEXT.Process(target=function, args=arguments, daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process with a group of its own; nothing of the group is left when the block ends, however it ends."""
    process = subprocess.Popen(command, start_new_session=True, **options)
    try:
        yield process
    finally:
        end_group(process)


def end_group(process: subprocess.Popen[Any]) -> None:
    """Kill a process that leads a group, and whatever it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def wait_until(happened: Callable[[], Any], what: str, every_s: float = 0.05, limit_s: float = HANG_S) -> None:
    """Until it has happened; `what` is said should it never happen."""
    deadline = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < deadline, f"{what}: waited {limit_s:g} s in vain"
        time.sleep(every_s)
