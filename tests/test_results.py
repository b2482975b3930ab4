"""The committed results: each has a row in benchmarks/runs.toml, and every figure in a document is that of its file."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sam_trainer.reports.figures_in_text import figures_in, filled
from sam_trainer.reports.run_table import SHORT_FORM_MINUTES, SHORT_MINUTES, by_file, cost, faults, read_table

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
ROWS = read_table(ROOT / "benchmarks" / "runs.toml")
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@cache
def document(name: str) -> dict[str, Any] | None:
    path = RESULTS / name
    return dict(json.loads(path.read_text())) if path.exists() else None


def test_every_committed_file_has_a_row() -> None:
    assert not {path.name for path in RESULTS.glob("*.json")} - set(by_file(ROWS))


@pytest.mark.parametrize("file", by_file(ROWS))
def test_a_file_is_whole_of_a_clean_tree_and_of_its_command(file: str) -> None:
    row = by_file(ROWS)[file]
    found = faults(row, document(file))
    if row.stale:
        assert found, f"{file} is as it should be: take `stale` from its row"
        pytest.skip(f"stale, {row.stale}: {'; '.join(found)}")
    assert not found


def test_the_short_forms_fit_into_an_hour() -> None:
    assert all(0 < row.short_minutes <= SHORT_FORM_MINUTES for row in ROWS.values())
    assert cost(list(ROWS.values()), short=True) <= SHORT_MINUTES


def test_every_row_starts_a_program_that_is_there_and_a_short_form_needs_nothing_else() -> None:
    for row in ROWS.values():
        for command in filter(None, (row.command, row.short)):
            words = [word for word in shlex.split(command) if "=" not in word]
            assert words[0] in ("samlabel", "pytest") or (ROOT / words[0]).is_file(), command
            assert all((ROOT / word).exists() for word in words if word.startswith(("tests/", "benchmarks/"))), command
        assert "{" not in (row.short or row.command), f"{row.name}: a fresh clone has no such folder"


def test_columns_that_may_not_move_are_columns() -> None:
    for file, row in by_file(ROWS).items():
        columns = {column for one in (document(file) or {}).get("rows", []) for column in one}
        if columns and not row.stale:
            assert set(row.tolerance) <= columns and row.keys, file


def test_every_long_test_is_in_the_table() -> None:
    named = {word for row in ROWS.values() for word in row.command.split() if word.startswith("tests/")}
    marked = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"mark\.accept\b", path.read_text()) and path.name != "test_results.py"
    }
    assert not {test for test in marked if not any(test == name or test.startswith(f"{name}/") for name in named)}
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_figures_are_those_of_the_files(path: Path) -> None:
    text = path.read_text()
    found = list(figures_in(text))
    assert {figure.file for figure in found} <= {name for name in by_file(ROWS) if document(name)}
    assert filled(text, lambda name: document(name) or {}) == text, "run `make figures`"


def test_the_first_page_quotes_figures() -> None:
    assert len(list(figures_in((ROOT / "README.md").read_text()))) >= 5


def test_what_measures_of_doubt_are_worth_is_what_the_files_say() -> None:
    figures = runner("figures")
    assert figures.CORRELATIONS.read_text() == figures.worth(), "run `make figures`"


def test_tables_are_what_the_files_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = runner("figures")
    assert all(figures.with_tables(path.read_text()) == path.read_text() for path in DOCUMENTS), "run `make figures`"
    figures = runner("figures")  # that has read nothing yet
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    text = "before\n<!-- kinds of adapters -->\n?\n<!-- end of kinds of adapters -->\nafter"
    assert figures.with_tables(text) == text.replace("?", "Not measured yet.")
    row = {"method": "hyper", "idea": "prompts", "dice": 0.9, "gain": 0.1, "ci_low": 0.05, "ci_high": 0.15}
    row |= {"verdict": "gain", "parameters": 90560, "megabytes": 0.362, "seconds": 60.0}
    (tmp_path / "kinds.json").write_text(json.dumps({"rows": [row, {"method": "hyper", "seed": 0}]}))
    told = (
        "| `hyper` | prompts | 0.90, +0.100 (+0.050 to +0.150) | gain | 90,560 | 0.4 | 1.0 | a click: not measured yet;"
    )
    assert told in figures.with_tables(text)
    about = {"source": "s", "method": "hyper", "over": "lora+decoder", "measure": "dice_1click", "gain": 0.02}
    rows = [about | {"verdict": "gain"}, about | {"source": "t", "gain": 0.0, "verdict": "no gain"}]
    (tmp_path / "train-kinds.json").write_text(json.dumps({"rows": rows}))
    assert "| a click +0.010, a gain on 1 of 2; named labels: not" in figures.with_tables(text)
    for name in figures.TABLES.keys() - {"kinds of adapters"}:
        assert "\nNot measured yet.\n" in figures.with_tables(f"<!-- {name} -->\n?\n<!-- end of {name} -->")


def runner(name: str = "accept") -> ModuleType:
    """A script of benchmarks/, which is no package's."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_runner_says_what_it_would_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["accept.py", "--short", "--list", "--only", "train,kill"])
    assert runner().main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 rows, about ") and lines[1].startswith("train: samlabel bench train --cases 1 ")
    assert lines[2].startswith("kill: SAMLABEL_KILLS=2 pytest -m accept ")


def test_the_runner_compares_and_keeps_only_what_is_complete(tmp_path: Path) -> None:
    accept, row = runner(), replace(ROWS["kill"], file="kill.json")
    out, committed = tmp_path / "new" / "kill.json", tmp_path / "old" / "kill.json"
    assert accept.judged(row, out, committed, keep=True) == ["kill.json was not written"]
    out.parent.mkdir()
    kills = {"what": "save", "kills": 10, "labels_lost_or_damaged": 0}
    out.write_text(json.dumps({"complete": False, "rows": [kills]}))
    assert accept.judged(row, out, committed, keep=True) == ["kill.json is not complete"] and not committed.exists()
    out.write_text(json.dumps({"complete": True, "rows": [kills]}))
    assert accept.judged(row, out, committed, keep=True) == [] and committed.exists()
    out.write_text(json.dumps({"complete": True, "rows": [kills | {"labels_lost_or_damaged": 1}]}))
    (moved,) = accept.judged(row, out, committed, keep=False)
    assert moved.startswith("save: labels_lost_or_damaged 0 -> 1") and json.loads(committed.read_text())["rows"] == [
        kills
    ]
