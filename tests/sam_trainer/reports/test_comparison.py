"""What moved between two results of one command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sam_trainer.reports.comparison import moved, within
from sam_trainer.reports.run_table import RunRow

ROW = RunRow("x", "c", 1, 1, keys=("source", "clicks"), tolerance={"dice": 0.01, "ms": "20 %", "promoted": 0})


def document(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"rows": list(rows)}


def test_only_what_left_its_tolerance_is_told() -> None:
    before = document({"source": "a", "clicks": 1, "dice": 0.5, "ms": 100, "other": 1}, {"source": "b", "dice": 0.7})
    same = document({"source": "a", "clicks": 1, "dice": 0.51, "ms": 119, "other": 9}, {"source": "b", "dice": 0.695})
    assert moved(before, same, ROW) == []
    far = document({"source": "a", "clicks": 1, "dice": 0.52, "ms": 121}, {"source": "b", "dice": None})
    assert moved(before, far, ROW) == [
        "a 1: dice 0.5 -> 0.52 (allowed: 0.01)",
        "a 1: ms 100 -> 121 (allowed: 20 %)",
        "b: dice 0.7 -> None (allowed: 0.01)",
    ]


def test_a_short_form_has_its_own_tolerances_and_some_rows_are_free() -> None:
    row = replace(ROW, short_tolerance={"ms": "+100 %"}, free=("cpu",))
    before = document({"source": "a", "dice": 0.5, "ms": 100}, {"source": "cpu seconds", "dice": 0.7})
    now = document({"source": "a", "dice": 0.52, "ms": 190}, {"source": "cpu seconds", "dice": 7.0})
    dice = "a: dice 0.5 -> 0.52 (allowed: 0.01)"
    assert moved(before, now, row.allowed(True)) == [dice]
    assert moved(before, now, row.allowed(False)) == [dice, "a: ms 100 -> 190 (allowed: 20 %)"]
    assert (
        moved(before, document(*now["rows"][:1]), row.allowed(True)) == [dice, "cpu seconds: a row that is gone"][::-1]
    )


def test_rows_that_came_and_went_are_told_and_namesakes_are_kept_apart() -> None:
    before = document({"source": "a", "dice": 0.1}, {"source": "a", "dice": 0.2}, {"source": "c", "dice": 0.3})
    now = document({"source": "a", "dice": 0.1}, {"source": "a", "dice": 0.5}, {"source": "d", "dice": 0.3})
    told = moved(before, now, ROW)
    assert told == ["c: a row that is gone", "d: a new row", "a #2: dice 0.2 -> 0.5 (allowed: 0.01)"]


@pytest.mark.parametrize(
    ("was", "is_now", "tolerance", "expected"),
    [
        (1, 1, 0, True),
        (1, 2, 0, False),
        (True, True, 0, True),
        (True, False, 5, False),
        (None, None, 0.1, True),
        (0.0, 0.1, "10 %", False),
        (-1.0, -1.05, "10 %", True),
        (1.0, 0.2, "+15 %", True),
        (1.0, 1.15, "+15 %", True),
        (1.0, 1.16, "+15 %", False),
        ("gain", "loss", 1, False),
    ],
)
def test_a_tolerance_is_a_number_or_a_share(was: Any, is_now: Any, tolerance: Any, expected: bool) -> None:
    assert within(was, is_now, tolerance) is expected
