"""Comparison of two results of one command: which figures moved by more than their tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sam_trainer.reports.run_table import RunRow, Tolerance
from sam_trainer.reports.table import Row


def moved(before: Mapping[str, Any], now: Mapping[str, Any], row: RunRow) -> list[str]:
    """A sentence for every row that came or went, and for every figure that moved too far."""
    old, new = _named(before["rows"], row.keys), _named(now["rows"], row.keys)
    found = [f"{name}: a row that is gone" for name in old if name not in new]
    found += [f"{name}: a new row" for name in new if name not in old]
    bound = [name for name in old if name in new and not any(word in name for word in row.free)]
    for name in bound:
        for column, tolerance in row.tolerance.items():
            was, is_now = old[name].get(column), new[name].get(column)
            if not within(was, is_now, tolerance):
                allowed = tolerance if isinstance(tolerance, str) else f"{tolerance:g}"
                found.append(f"{name}: {column} {_shown(was)} -> {_shown(is_now)} (allowed: {allowed})")
    return found


def within(was: Any, is_now: Any, tolerance: Tolerance) -> bool:
    """Whether a figure stayed where it was; words, flags and what is missing must be the same."""
    numbers = [isinstance(value, int | float) and not isinstance(value, bool) for value in (was, is_now)]
    if not all(numbers):
        return bool(was == is_now)
    if isinstance(tolerance, str):
        allowed = abs(was) * float(tolerance.strip("+%")) / 100
        return bool((is_now - was if tolerance.startswith("+") else abs(is_now - was)) <= allowed)
    return bool(abs(is_now - was) <= tolerance + 1e-12)


def _named(rows: Sequence[Row], keys: Sequence[str]) -> dict[str, Row]:
    """Rows by what tells them apart; a second one of a name gets a number."""
    named: dict[str, Row] = {}
    for row in rows:
        name = " ".join(str(row[key]) for key in keys if row.get(key) is not None) or "row"
        number = sum(other == name or other.startswith(f"{name} #") for other in named)
        named[f"{name} #{number + 1}" if number else name] = row
    return named


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
