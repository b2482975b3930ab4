"""The command line in a copy of a process that has loaded the libraries already; see preloaded.py."""

from __future__ import annotations

import atexit
import os
import runpy
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.processes import CONTEXT


@contextmanager
def forked(words: Sequence[str], environment: Mapping[str, str], log: Path) -> Iterator[ForkServerProcess]:
    """`python -m samlabel`, with a group of its own; nothing of the group is left when the block ends."""
    CONTEXT.set_forkserver_preload(["tests.client.preloaded"])  # heard by whoever asks first
    log.touch()
    # a daemon: it ends with this process, even where a failed test never came to the end of the block
    process = CONTEXT.Process(target=_run, args=(list(words), dict(environment), log), daemon=True)
    process.start()
    assert process.pid is not None  # 0 would be our own group
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()


def _run(words: list[str], environment: dict[str, str], log: Path) -> None:
    os.setsid()
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    if "OMP_NUM_THREADS" in environment:  # read by OpenMP long ago
        import torch

        torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.argv = ["samlabel", *words]
    try:
        runpy.run_module("samlabel", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
