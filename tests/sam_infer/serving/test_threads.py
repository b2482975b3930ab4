"""One job on all cores or a job on each: a clock decides, here one that the test moves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import torch

from sam_infer.serving import threads
from sam_infer.serving.threads import settle_threads
from sam_infer.serving.work_queue import WorkQueue
from tests.processes import HANG_S

CORES, NAME = 3, "settled"


@dataclass
class Clock:
    """Time passes when a network computes, and by as much as the test says."""

    now: float = 0.0
    seen: list[int] = field(default_factory=list)  # threads that it computed with

    def perf_counter(self) -> float:
        return self.now

    def click(self, alone: float, together: float) -> Callable[[], None]:
        """A click that lasts so long on one thread, and so long on all."""

        def computed() -> None:
            self.seen.append(torch.get_num_threads())
            self.now += alone if self.seen[-1] == 1 else together

        return computed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(threads, "time", clock)
    return clock


@pytest.fixture
def queue() -> Iterator[WorkQueue]:
    before = torch.get_num_threads()
    torch.set_num_threads(CORES)
    queue = WorkQueue(name=NAME)
    yield queue
    queue.close()
    torch.set_num_threads(before)


def workers() -> int:
    return sum(thread.name.startswith(f"{NAME}-") for thread in threading.enumerate())


def test_a_small_network_leaves_the_other_cores_to_others(queue: WorkQueue, clock: Clock) -> None:
    assert settle_threads(queue, clock.click(0.02, 0.02)) == 1
    assert queue.submit(torch.get_num_threads).result() == 1
    meeting = threading.Barrier(CORES)  # so many jobs run beside each other
    futures = [queue.submit(lambda: meeting.wait(HANG_S)) for _ in range(CORES)]
    assert sorted(future.result() for future in futures) == list(range(CORES)) and workers() == CORES


def test_a_network_that_fills_all_cores_gets_them(queue: WorkQueue, clock: Clock) -> None:
    assert settle_threads(queue, clock.click(0.06, 0.02)) == CORES
    assert queue.submit(torch.get_num_threads).result() == CORES
    assert workers() == 1


def test_a_large_network_is_not_tried_twice(queue: WorkQueue, clock: Clock) -> None:
    assert settle_threads(queue, clock.click(9.0, threads.LARGE_SECONDS + 0.1)) == CORES
    assert clock.seen == [CORES]
