"""Results that several tests keep in one file: each brings its row, and leaves those of the others."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_trainer.reports.record import Report

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"


@dataclass(frozen=True)
class ResultRows:
    """One file under benchmarks/results, and what to type to write it again."""

    name: str
    command: str

    def add(self, row: dict[str, Any], started: float) -> None:
        """Write a row over the one of the same `what`; the file's commit and machine are the last writer's."""
        path = RESULTS / f"{self.name}.json"
        others = json.loads(path.read_text())["rows"] if path.exists() else []
        kept = [other for other in others if other["what"] != row["what"]]
        Report(self.command, 0, [*kept, row], started).write(path)


KILLS = ResultRows(
    "kill", "pytest -m accept tests/accept/test_kill.py tests/sam_trainer/training/test_kill_learning.py"
)
ACTIVE_LEARNING = ResultRows("active_learning", "pytest -m accept tests/accept/test_active_learning.py")
EXPORTED_MODEL = ResultRows("exported_model", "pytest -m accept tests/accept/test_exported_model.py")
