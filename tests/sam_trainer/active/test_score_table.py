"""Scores outlive processes and crashes, and know when they are old."""

from __future__ import annotations

from pathlib import Path

from sam_infer.uncertainty.case_score import CaseScore
from sam_trainer.active.score_table import CROWDED, Scored, ScoreTable


def scored(case: str, value: float = 0.5, adapter: str = "a") -> Scored:
    return Scored.of(
        case,
        CaseScore(value, {"x": value}, {"x": 0.8}, (2, 1), 9.0, (0.123456789, 1.0), (1.0,)),
        adapter=adapter,
        method="combined",
        seed=0,
        when="2026",
        image="v",
    )


def test_the_newest_line_of_a_case_counts_for_every_process(tmp_path: Path) -> None:
    writer, reader = ScoreTable(tmp_path), ScoreTable(tmp_path)
    assert reader.all() == {}
    writer.put(scored("one", 0.1))
    writer.put(scored("two", 0.2))
    assert reader.all()["one"] == scored("one", 0.1) and reader.all()["one"].looks[0] == 0.12346
    writer.put(scored("one", 0.9, "b"))
    assert reader.all()["one"].value == 0.9 and reader.all()["two"].value == 0.2
    assert reader.all()["one"].stale("a", "combined") and not reader.all()["one"].stale("b", "combined")


def test_half_a_line_is_passed_over_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path)
    table.put(scored("one"))
    with (tmp_path / "scores.jsonl").open("a") as file:
        file.write('{"case": "two", "val')
    assert set(ScoreTable(tmp_path).all()) == {"one"}
    table.put(scored("three"))
    assert set(ScoreTable(tmp_path).all()) == {"one", "three"}


def test_superseded_lines_and_vanished_cases_go_once_they_are_many(tmp_path: Path) -> None:
    table = ScoreTable(tmp_path)
    for n in range(CROWDED + 2):
        table.put(scored("kept", n / 10))
    table.put(scored("gone"))
    table.tidy({"kept"})
    assert len((tmp_path / "scores.jsonl").read_text().splitlines()) == 1
    assert set(table.all()) == {"kept"} and table.all()["kept"].value == (CROWDED + 1) / 10
