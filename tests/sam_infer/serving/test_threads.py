"""One job on all cores or a job on each: the clock decides."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from sam_infer.serving import threads
from sam_infer.serving.threads import settle_threads
from sam_infer.serving.work_queue import WorkQueue

CORES = 3


@pytest.fixture
def queue() -> Iterator[WorkQueue]:
    before = torch.get_num_threads()
    torch.set_num_threads(CORES)
    queue = WorkQueue()
    yield queue
    queue.close()
    torch.set_num_threads(before)


def network(alone: float, together: float, seen: list[int]) -> None:
    """A click that lasts so long on one thread, and so long on all."""
    seen.append(torch.get_num_threads())
    time.sleep(alone if seen[-1] == 1 else together)


def at_once(queue: WorkQueue, jobs: int) -> bool:
    """Whether so many jobs run beside each other."""
    meeting = threading.Barrier(jobs)
    futures = [queue.submit(lambda: meeting.wait(2)) for _ in range(jobs)]
    try:
        return len([future.result(5) for future in futures]) == jobs
    except threading.BrokenBarrierError:
        return False


def test_a_small_network_leaves_the_other_cores_to_others(queue: WorkQueue) -> None:
    assert settle_threads(queue, lambda: network(0.02, 0.02, [])) == 1
    assert queue.submit(torch.get_num_threads).result() == 1
    assert at_once(queue, CORES)


def test_a_network_that_fills_all_cores_gets_them(queue: WorkQueue) -> None:
    assert settle_threads(queue, lambda: network(0.06, 0.02, [])) == CORES
    assert queue.submit(torch.get_num_threads).result() == CORES
    assert not at_once(queue, 2)


def test_a_large_network_is_not_tried_twice(queue: WorkQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LARGE_SECONDS", 0.01)
    seen: list[int] = []
    assert settle_threads(queue, lambda: network(0.02, 0.02, seen)) == CORES
    assert seen == [CORES]
