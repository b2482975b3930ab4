"""Clicks that are shared, given up and taken in turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from sam_infer.errors import BusyError
from sam_infer.job import CancelledError
from sam_infer.serving.in_flight import InFlight
from sam_infer.serving.work_queue import Priority, WorkQueue


def never() -> bool:
    return False


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


@pytest.fixture
def queue(gate: threading.Event) -> WorkQueue:
    """A queue whose worker is busy until the gate opens."""
    queue = WorkQueue()
    queue.submit(gate.wait, Priority.CLICK)
    return queue


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.001)


def test_the_same_question_is_answered_once(queue: WorkQueue, gate: threading.Event) -> None:
    in_flight, answers = InFlight(queue), iter(range(100))
    with ThreadPoolExecutor(9) as pool:
        asked = [pool.submit(in_flight.ask, key, lambda: next(answers), "r", never) for key in "aaaabbbb"]
        until(lambda: in_flight.shared == 6)
        gate.set()
        assert sorted(one.result() for one in asked) == [0, 0, 0, 0, 1, 1, 1, 1]
        assert in_flight.ask("a", lambda: next(answers), "r", never) == 2


def test_an_error_reaches_all_who_wait(queue: WorkQueue, gate: threading.Event) -> None:
    in_flight = InFlight(queue)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(in_flight.ask, "a", lambda: 1 // 0, "r", never) for _ in "12"]
        until(lambda: in_flight.shared == 1)
        gate.set()
        for one in asked:
            with pytest.raises(ZeroDivisionError):
                one.result()


def test_who_has_gone_is_not_computed_for(queue: WorkQueue, gate: threading.Event) -> None:
    in_flight, computed = InFlight(queue), []
    with pytest.raises(CancelledError):
        in_flight.ask("a", lambda: computed.append("a"), "r", lambda: True)
    gate.set()
    assert in_flight.ask("b", lambda: "b", "r", never) == "b" and computed == []


def test_somebody_else_still_waits_for_the_same(queue: WorkQueue, gate: threading.Event) -> None:
    in_flight, gone = InFlight(queue), threading.Event()
    with ThreadPoolExecutor(2) as pool:
        stays = pool.submit(in_flight.ask, "a", lambda: 7, "r", never)
        leaves = pool.submit(in_flight.ask, "a", lambda: 7, "s", gone.is_set)
        until(lambda: in_flight.shared == 1)
        gone.set()
        with pytest.raises(CancelledError):
            leaves.result()
        gate.set()
        assert stays.result() == 7


def test_patience_ends(queue: WorkQueue, gate: threading.Event) -> None:
    with pytest.raises(BusyError, match="click again"):
        InFlight(queue, patience_seconds=0.0).ask("a", lambda: 7, "r", never)
    gate.set()


def test_readers_take_turns(queue: WorkQueue, gate: threading.Event) -> None:
    done: list[str] = []
    futures = [queue.submit(lambda n=n: done.append(f"greedy {n}"), Priority.CLICK, "greedy") for n in range(3)]
    futures += [queue.submit(lambda n=n: done.append(f"modest {n}"), Priority.CLICK, "modest") for n in range(2)]
    gate.set()
    for future in futures:
        future.result()
    assert done == ["greedy 0", "modest 0", "greedy 1", "modest 1", "greedy 2"]
