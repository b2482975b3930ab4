"""Jobs of a bench in worker processes of one thread each; what they come to is kept in a journal."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import partial
from typing import Any, TypeVar

import torch

from sam_trainer.reports.journal import Journal

Job = TypeVar("Job")

# How soon a worker notices that nobody waits for its answer any more.
WATCH_S = 1.0


def side_by_side(
    jobs: Mapping[str, Job],
    work: Callable[[Job], Any],
    workers: int,
    journal: Journal,
    told: Callable[[Any], None] = lambda _: None,
) -> list[Any]:
    """What `work` makes of every job, as JSON knows it, in their order; `told` hears of each that was just done.

    One worker is this process. Jobs that the journal knows are not done again.
    """
    journal.expect(list(jobs))
    left = {key: job for key, job in jobs.items() if not journal.knows(key)}
    if workers == 1:
        for key, job in left.items():
            told(journal.unit(key, partial(work, job)))
    elif left:
        _in_processes(left, work, workers, lambda key, value: told(_kept(journal, key, value)))
    return [journal.unit(key, dict) for key in jobs]


def _in_processes(
    jobs: Mapping[str, Job], work: Callable[[Job], Any], workers: int, done: Callable[[str, Any], None]
) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _alone, (os.getpid(),)) as pool:
        try:
            asked: dict[Future[Any], str] = {pool.submit(work, job): key for key, job in jobs.items()}
            for future in as_completed(asked):
                done(asked[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise


def _kept(journal: Journal, key: str, value: Any) -> Any:
    return journal.unit(key, lambda: value)


def _alone(parent: int) -> None:
    """A worker has one thread, leaves Ctrl-C to its parent, and ends with it."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)
