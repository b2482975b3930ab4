"""Table of committed results: the command of each file, its short form, its cost, and how far its figures may move."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sam_trainer.errors import TrainingError

# Of the whole table, on two cores; and of each short form.
SHORT_MINUTES, SHORT_FORM_MINUTES = 60.0, 5.0

# A figure may move by so much, or, as words like "20 %", by a share of itself; "+15 %": only growing counts.
Tolerance = float | str


# What a machine may have: labelled studies outside the project, the stock server's environment, packages of weights.
PLACES = ("validation", "stock", "archives")


@dataclass(frozen=True)
class RunRow:
    """One row; words in braces in a command stand for folders that only the machine knows."""

    name: str
    command: str
    minutes: float  # on two cores
    memory_gib: float
    file: str = ""  # under benchmarks/results; empty: a test that writes none
    short: str = ""  # empty: the command itself is short
    short_minutes: float = SHORT_FORM_MINUTES
    keys: tuple[str, ...] = ()  # columns that tell rows apart
    tolerance: Mapping[str, Tolerance] = field(default_factory=dict)
    short_tolerance: Mapping[str, Tolerance] = field(default_factory=dict)  # where few repeats tell less
    free: tuple[str, ...] = ()  # what is in the names of rows whose figures may move
    needs: tuple[str, ...] = ()  # places that the command asks for without a word, by its environment
    stale: str = ""  # why the committed file is not what the command writes today

    def words(self, short: bool, out: Path, places: Mapping[str, str]) -> Spoken:
        """What is typed; the result goes to `out`. A place that this machine lacks leaves the row out."""
        command = self.short if short and self.short else self.command
        words = shlex.split(command)
        asked = [name for word in words for name in PLACES if word == f"{{{name}}}"]
        asked += self.needs if command == self.command else ()
        missing = tuple(name for name in asked if name not in places)
        said = [places.get(word[1:-1], word) if word.startswith("{") else word for word in words]
        environ = dict(word.split("=", 1) for word in said if _assigns(word))
        typed = [word for word in said if not _assigns(word)]
        if self.file and typed[0] == "pytest":
            environ |= {"SAMLABEL_RESULTS": str(out.parent), "SAMLABEL_COMMAND": command}
            environ |= {"SAMLABEL_SHORT": "1"} if command != self.command else {}
        elif self.file:
            typed += ["--out", str(out)]
        return Spoken(tuple(typed), environ, missing)

    def allowed(self, short: bool) -> RunRow:
        """The same with the tolerances that hold for the form."""
        return replace(self, tolerance={**self.tolerance, **self.short_tolerance}) if short else self

    def spoken_in(self, recorded: str) -> bool:
        """Whether a recorded command, which spells every option, is this one."""
        told = recorded.split()
        return all(word in told for word in shlex.split(self.command) if not word.startswith("{"))


@dataclass(frozen=True)
class Spoken:
    """A command as a process takes it."""

    words: tuple[str, ...]
    environ: Mapping[str, str]
    missing: tuple[str, ...]  # places that this machine lacks


def read_table(path: Path) -> dict[str, RunRow]:
    """The rows by name, in the order of the file."""
    rows: dict[str, RunRow] = {}
    for name, entry in tomllib.loads(path.read_text()).items():
        try:
            lists = {key: tuple(entry.get(key, ())) for key in ("keys", "needs", "free")}
            rows[name] = RunRow(name, **{**entry, **lists})
        except TypeError as error:
            raise TrainingError(f"{path.name}, [{name}]: {error}") from error
    return rows


def selected(rows: Mapping[str, RunRow], only: str) -> list[RunRow]:
    """The rows that `only` names, comma-separated; all without it."""
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    strange = [name for name in wanted if name not in rows]
    if strange:
        raise TrainingError(f"there is no row {', '.join(strange)}: choose from {', '.join(rows)}", "only")
    return [row for name, row in rows.items() if not wanted or name in wanted]


def cost(rows: Sequence[RunRow], short: bool) -> float:
    """Minutes that rows take one after the other."""
    return sum(row.short_minutes if short else row.minutes for row in rows)


def by_file(rows: Mapping[str, RunRow]) -> dict[str, RunRow]:
    """The rows that write a file, by its name."""
    return {row.file: row for row in rows.values() if row.file}


def faults(row: RunRow, document: Mapping[str, Any] | None) -> list[str]:
    """Why a committed file is not to be quoted; none of a file that is whole, of a clean tree and of its command."""
    if document is None:
        return [f"{row.file} is missing"]
    found = []
    if document.get("complete") is not True:
        found.append(f"{row.file} is not complete")
    if str(document.get("commit", "unknown")).endswith(("-changed", "unknown")):
        found.append(f"{row.file} was measured on a tree that no commit names: {document.get('commit', 'unknown')}")
    if not row.spoken_in(str(document.get("command", ""))):
        found.append(f"{row.file} is of another command than the table's: {document.get('command', 'none')}")
    return found


def _assigns(word: str) -> bool:
    """Whether a word sets a variable of the environment: `SAMLABEL_KILLS=2`."""
    name, equals, _ = word.partition("=")
    return bool(equals) and name.isidentifier() and name.isupper()
