"""Speed for many readers, over HTTP: what must hold between figures of one run, whatever the machine."""

from __future__ import annotations

import pytest

from sam_trainer.reports.table import Row
from samlabel.server_bench.run import ServerPlan, run_servers

pytestmark = [pytest.mark.accept, pytest.mark.timeout(3600)]

# How long scripted readers work.
SECONDS = 60


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return run_servers(ServerPlan(("tiny",), stock=None, repeats=30, threads=2, crowd_seconds=SECONDS)).rows


def found(rows: list[Row], phase: str, clients: int = 1, **more: str) -> Row:
    return next(
        row
        for row in rows
        if (row["phase"], row["clients"]) == (phase, clients) and all(row.get(k) == v for k, v in more.items())
    )


def test_a_next_click_costs_little_more_than_the_decode(rows: list[Row]) -> None:
    assert found(rows, "next_click/floor")["times"] <= 3
    assert found(rows, "next_click")["bytes"] <= 200_000


def test_the_first_answer_is_like_later_ones(rows: list[Row]) -> None:
    assert found(rows, "first_answer")["median_ms"] <= 1.3 * found(rows, "first_click")["median_ms"]


def test_a_restart_encodes_nothing(rows: list[Row]) -> None:
    assert found(rows, "restart")["encodes"] == 0


def test_ten_readers_wait_little_longer_than_one_and_get_their_own_masks(rows: list[Row]) -> None:
    together = found(rows, "scripted_click", 10)
    assert (together["lost"], together["masks_unequal"]) == (0, 0)
    assert together["p95_ms"] <= 3 * found(rows, "scripted_click")["p95_ms"]
    assert found(rows, "info", 10)["p95_ms"] < 100


def test_a_training_beside_it_is_hardly_felt(rows: list[Row]) -> None:
    alone = next(row for row in rows if row["phase"] == "scripted_click" and "beside" not in row)
    assert found(rows, "scripted_click", beside="training")["p95_ms"] <= 2 * alone["p95_ms"]


def test_idle_memory_is_bounded(rows: list[Row]) -> None:
    assert found(rows, "memory", state="idle")["bytes"] <= 1.4e9
