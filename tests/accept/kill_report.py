"""One file for all tests that kill: each brings its row, and leaves those of the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sam_trainer.bench.report import Report

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "kill.json"


def add_row(row: dict[str, Any], started: float) -> None:
    """Write a row over the one of the same `what`; the file's commit and machine are the last writer's."""
    others = json.loads(RESULT.read_text())["rows"] if RESULT.exists() else []
    rows = [other for other in others if other["what"] != row["what"]]
    Report("pytest -m accept tests/accept/test_kill.py tests/sam_trainer/test_kill_learning.py", 0, [*rows, row],
           started).write(RESULT)  # fmt: skip
