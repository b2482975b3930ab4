"""The table of committed results: what it says is typed, and what must not be quoted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sam_trainer.errors import TrainingError
from sam_trainer.reports.run_table import RunRow, by_file, cost, faults, read_table, selected

OUT = Path("runs/accept/x.json")
BENCH = RunRow("x", "samlabel bench x --studies {validation} --limit 3", 9, 2, "x.json", short="samlabel bench x")
TEST = RunRow(
    "kill", "pytest -m accept tests/a.py", 5, 1, "kill.json", short="KILLS=2 pytest -m 'accept and not b' tests/a.py"
)
GOOD = {"complete": True, "commit": "a" * 40, "command": "samlabel bench x --seed 0 --studies data --limit 3"}


def test_a_command_gets_its_places_and_where_the_result_goes() -> None:
    said = BENCH.words(False, OUT, {"validation": "data"})
    assert " ".join(said.words) == "samlabel bench x --studies data --limit 3 --out runs/accept/x.json"
    assert not said.missing and not said.environ
    assert BENCH.words(False, OUT, {}).missing == ("validation",)
    assert BENCH.words(True, OUT, {}).words[-3:] == ("x", "--out", "runs/accept/x.json")


def test_what_a_test_needs_is_asked_of_the_whole_row_only() -> None:
    row = replace(TEST, needs=("archives",))
    assert row.words(False, OUT, {}).missing == ("archives",)
    assert not row.words(False, OUT, {"archives": "packages"}).missing and not row.words(True, OUT, {}).missing


def test_a_test_is_told_by_its_environment() -> None:
    said = TEST.words(True, OUT, {})
    assert said.words == ("pytest", "-m", "accept and not b", "tests/a.py")
    assert said.environ == {
        "KILLS": "2",
        "SAMLABEL_RESULTS": "runs/accept",
        "SAMLABEL_COMMAND": TEST.short,
        "SAMLABEL_SHORT": "1",
    }
    assert "SAMLABEL_SHORT" not in TEST.words(False, OUT, {}).environ
    assert RunRow("t", "pytest tests/b.py", 1, 1).words(False, OUT, {}).environ == {}


def test_rows_are_chosen_by_name_and_cost_what_they_cost(tmp_path: Path) -> None:
    table = tmp_path / "runs.toml"
    table.write_text(
        "[a]\ncommand = 'c'\nminutes = 60\nmemory_gib = 1\nshort_minutes = 2\nkeys = ['k']\nfile = 'a.json'\n"
        "[b]\ncommand = 'd'\nminutes = 3\nmemory_gib = 1\n"
    )
    rows = read_table(table)
    assert list(rows) == ["a", "b"] and rows["a"].keys == ("k",) and list(by_file(rows)) == ["a.json"]
    assert [row.name for row in selected(rows, " b ")] == ["b"] and len(selected(rows, "")) == 2
    assert (cost(selected(rows, ""), False), cost(selected(rows, ""), True)) == (63, 7)
    with pytest.raises(TrainingError, match="there is no row c: choose from a, b"):
        selected(rows, "a,c")
    table.write_text("[a]\ncommand = 'c'\nminute = 60\n")
    with pytest.raises(TrainingError, match=r"runs.toml, \[a\].*minute"):
        read_table(table)


def test_what_is_not_whole_clean_and_of_its_command_is_a_fault() -> None:
    assert faults(BENCH, GOOD) == []
    assert faults(BENCH, None) == ["x.json is missing"]
    assert faults(BENCH, {**GOOD, "complete": False}) == ["x.json is not complete"]
    old = {key: value for key, value in GOOD.items() if key != "complete"}
    assert faults(BENCH, old) == ["x.json is not complete"]
    for commit in ("b" * 40 + "-changed", "unknown"):
        assert "no commit names" in faults(BENCH, {**GOOD, "commit": commit})[0]
    (other,) = faults(BENCH, {**GOOD, "command": "samlabel bench x --limit 4"})
    assert "another command" in other
