"""Report record for machines: one JSON with the rows of a bench and where they come from."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.files import write_whole
from sam_trainer.provenance import commit, machine, versions
from sam_trainer.reports.table import Row


@dataclass(frozen=True)
class Report:
    """The result of one bench run; `complete` False: rows are missing that the command would still have measured."""

    command: str
    seed: int
    rows: Sequence[Row]
    started: float  # time.time()
    facts: dict[str, Any] = field(default_factory=dict)  # e.g. the model and its weights
    complete: bool = True
    measured_at: str | None = None  # the commit when it began; None: that of now
    seconds_before: float = 0.0  # of earlier sessions, where a run was interrupted

    def document(self) -> dict[str, Any]:
        """The contract of every `--out` file."""
        return {
            "complete": self.complete,
            "command": self.command,
            "commit": self.measured_at or commit(),
            "machine": machine(),
            "versions": versions(),
            "seed": self.seed,
            "seconds": round(self.seconds_before + time.time() - self.started, 1),
            **self.facts,
            "rows": list(self.rows),
        }

    def write(self, path: Path) -> None:
        """Write the JSON, one row per line; appears whole or not at all."""
        document = self.document()
        rows = document.pop("rows")
        head = json.dumps(document, indent=1, ensure_ascii=False)
        body = ",\n".join("  " + json.dumps(_finite(row), ensure_ascii=False) for row in rows)
        write_whole(path, f'{head[:-2]},\n "rows": [\n{body}\n ]\n}}\n')


def command_line() -> str:
    """What was typed, without the folder of the program."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def spelled(program: str, options: Mapping[str, Any]) -> str:
    """A command with every option and its value; an option without one is left out, as nobody can type it."""
    words = [program]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        elif isinstance(value, list | tuple):
            words += [f"{flag} {one}" for one in value]
        elif value is not None:
            words.append(f"{flag} {value}" if str(value) else f'{flag} ""')
    return " ".join(words)


def _finite(row: Row) -> Row:
    """JSON knows no NaN or infinity: they become null."""
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}
