"""Figures in documents, filled in from result files: what stands between two markers is written by a command.

    <!-- figure: train.json method=lora measure=dice_1click cases=5 | {gain:+.3f} Dice -->+0.023 Dice<!-- / -->

After the file come columns that tell one row from all others; after the bar, what is written: columns in braces, with
a format as Python knows it, and divided by a number where units differ: `{median_ms/1000:.1f} s`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sam_trainer.errors import TrainingError
from sam_trainer.reports.table import Row

FIGURE = re.compile(
    r"(<!-- figure: (?P<file>\S+)(?P<where>[^|]*?) \| (?P<form>.*?) -->)(?P<text>.*?)(<!-- / -->)", re.S
)
OPEN = "<!-- figure:"
COLUMN = re.compile(r"\{(?P<name>\w+)(?:/(?P<by>[\d.]+))?(?::(?P<spec>[^{}]*))?\}")

Documents = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True)
class Figure:
    """One marked place of a document."""

    file: str
    where: Mapping[str, str]
    form: str
    text: str  # what stands there now

    def wanted(self, document: Mapping[str, Any]) -> str:
        """What should stand there."""
        fitting = [row for row in document["rows"] if all(_same(row.get(k), v) for k, v in self.where.items())]
        if len(fitting) != 1:
            told = " ".join(f"{key}={value}" for key, value in self.where.items())
            raise TrainingError(f"{self.file} has {len(fitting)} rows with {told or 'no condition'}, one is needed")
        return COLUMN.sub(lambda match: _value(fitting[0], match, self.file), self.form)


def figures_in(text: str) -> Iterator[Figure]:
    """Every marked place, in order; a marker that is not whole is refused."""
    found = list(FIGURE.finditer(text))
    if text.count(OPEN) != len(found):
        raise TrainingError(
            "a figure's marker is not whole: <!-- figure: FILE COLUMN=VALUE | {COLUMN:.2f} --> ... <!-- / -->"
        )
    for match in found:
        yield _figure(match)


def filled(text: str, documents: Documents) -> str:
    """The document with every figure as its file has it."""
    return FIGURE.sub(lambda match: f"{match[1]}{_figure(match).wanted(documents(match['file']))}{match[6]}", text)


def _figure(match: re.Match[str]) -> Figure:
    conditions = [word.split("=", 1) for word in match["where"].split()]
    return Figure(match["file"], {name: value for name, value in conditions}, match["form"], match["text"])


def _same(value: Any, wanted: str) -> bool:
    return value is not None and str(value).replace(" ", "_") == wanted


def _value(row: Row, match: re.Match[str], file: str) -> str:
    value = row.get(match["name"])
    if value is None:
        raise TrainingError(f"{file} has no {match['name']} in the row that a figure names")
    number = value / float(match["by"]) if match["by"] else value
    return format(number, match["spec"] or "")
