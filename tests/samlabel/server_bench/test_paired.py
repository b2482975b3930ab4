"""Ratios of two servers; servers themselves are started by `make accept`."""

from __future__ import annotations

from itertools import pairwise

import pytest

from samlabel.server_bench.paired import paired_row
from samlabel.server_bench.scene import ANSWERS, SHAPE, Scene


def test_a_ratio_is_this_over_the_other_pair_by_pair() -> None:
    slow_machine = [(10.0, 5.0), (100.0, 50.0), (10.0, 5.0)]
    row = paired_row("next_click", slow_machine)
    assert (row["ratio"], row["low"], row["high"], row["n"]) == (0.5, 0.5, 0.5, 3)
    assert (row["other_ms"], row["this_ms"]) == (10.0, 5.0)


def test_an_interval_holds_what_varies() -> None:
    row = paired_row("idle_memory", [(100.0, 90.0), (100.0, 110.0), (100.0, 100.0)], "mib", 10)
    assert row["low"] < 1.0 < row["high"] and row["ratio"] == pytest.approx(1.0)
    assert row["other_mib"] == 100.0 and row["clients"] == 10


def test_a_reader_keeps_the_clicks_made_before() -> None:
    scene = Scene("case0", SHAPE)
    requests = scene.growing(scene.middle, 0)
    assert len(requests) == ANSWERS and len(requests[0]["foreground"]) == 1
    for before, after in pairwise(requests):
        assert after["foreground"][:-1] == before["foreground"]
    assert scene.growing(scene.middle, 1)[0] != requests[0]
