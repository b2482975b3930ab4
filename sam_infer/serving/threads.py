"""Chooses thread counts by measuring the serving network: one job on all cores, or a worker per core.

A small network gains little or nothing from a second core: its layers are over before the other thread is awake. Then
every core gets a worker of its own, and two readers are answered at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
import torch

from sam_infer.serving.work_queue import WorkQueue

log = structlog.get_logger(__name__)

# A network whose click takes longer is large: its layers fill all cores, and trying would delay the start.
LARGE_SECONDS = 1.0

# All cores together must be so many times faster than one to be worth being used up by one reader.
LEAST_GAIN = 1.3

ROUNDS = 4


def settle_threads(queue: WorkQueue, click: Callable[[], object]) -> int:
    """Try a new slice's click on the queue's worker; threads for a job from now on, and workers to fit."""
    cores = torch.get_num_threads()

    def timed(threads: int) -> float:
        return queue.submit(lambda: _timed(threads, click)).result()

    if timed(cores) > LARGE_SECONDS or cores == 1:
        return cores
    seconds = [(timed(1), timed(cores)) for _ in range(ROUNDS)]
    alone, together = (min(column) for column in zip(*seconds, strict=True))
    chosen = cores if alone >= LEAST_GAIN * together else 1
    queue.submit(lambda: torch.set_num_threads(chosen)).result()
    if chosen == 1:
        queue.grow(cores)
    log.info("threads per click", threads=chosen, ms_on_one=round(alone * 1e3), ms_on_all=round(together * 1e3))
    return chosen


def compute_on_one_core() -> None:
    """The thread that asks calls on no other core from now on; threads to come have what they had."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    other = threading.Thread(target=torch.set_num_threads, args=(cores,))
    other.start()
    other.join()


def _timed(threads: int, click: Callable[[], object]) -> float:
    """In the thread that computes: how many threads it calls on is its own setting, and that of threads to come."""
    torch.set_num_threads(threads)
    started = time.perf_counter()
    click()
    return time.perf_counter() - started
