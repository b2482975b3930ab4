"""The bench's own arithmetic; servers are started by the accept tests."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sam_trainer.reports.table import Row
from samlabel.server_bench import run
from samlabel.server_bench.click import TimedReply
from samlabel.server_bench.run import VOLUMES, ServerPlan, ratios
from samlabel.server_bench.scene import SHAPE, Scene


def row(server: str, phase: str, median_ms: float, clients: int = 1, model: str = "tiny") -> Row:
    return {"server": server, "model": model, "phase": phase, "clients": clients, "median_ms": median_ms}


def test_ratios_compare_like_with_like() -> None:
    ours = [row("samlabel", "next_click", 30.0), row("samlabel", "next_click", 90.0, 10)]
    floor = [row("samlabel", "decode", 12.0), row("samlabel", "round_trip", 3.0)]
    stock = [row("stock", "next_click", 6000.0), row("stock", "next_click", 60000.0, 10), row("stock", "box", 1.0)]
    made = {(one["phase"], one["clients"]): one["times"] for one in ratios(ours + floor + stock)}
    assert made == {("stock/next_click", 1): 200.0, ("stock/next_click", 10): 666.67, ("next_click/floor", 1): 2.0}


def test_without_a_stock_server_the_floor_remains() -> None:
    rows = [row("samlabel", phase, 10.0) for phase in ("next_click", "decode", "round_trip")]
    assert [one["times"] for one in ratios(rows)] == [0.5]


@pytest.mark.parametrize(("limit", "volumes"), [(None, VOLUMES), (3, 3), (1, 2)])
def test_a_limit_is_one_of_volumes(limit: int | None, volumes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def written(folder: Path, count: int, *_: object) -> list[Scene]:
        asked.append(count)
        return [Scene(f"case{n}", SHAPE) for n in range(count)]

    monkeypatch.setattr(run, "write_scenes", written)
    run.run_servers(ServerPlan((), None, 3, 1, 0.0, limit or VOLUMES))
    assert asked == [volumes, 1]


def test_masks_are_compared_behind_the_compression() -> None:
    mask = b"\0" * 1000 + b"\1"
    packed = TimedReply(0.0, gzip.compress(mask, 1), "gzip")
    assert packed.same_mask(TimedReply(0.0, gzip.compress(mask, 9), "gzip")) and packed.same_mask(
        TimedReply(0.0, mask, "")
    )
    assert not packed.same_mask(TimedReply(0.0, mask + b"\1", ""))


def test_hints_lie_in_the_volume_and_repeat() -> None:
    scene = Scene("case0", SHAPE)
    points = scene.points(5, scene.middle, 3)
    assert points == scene.points(5, scene.middle, 3) and len({tuple(p) for p in points}) == 5
    assert all(0 <= value < size for point in points for value, size in zip(point, SHAPE, strict=True))
