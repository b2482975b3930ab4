"""Agreement of readers, as the report has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_trainer.active.report import LoopReport
from sam_trainer.labels.agreement import agreement_rows, by_label
from sam_trainer.labels.ledger import Ledger
from sam_trainer.studies import Studies
from tests.sam_trainer.labels.test_readings import label_map


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.of(Studies.of(tmp_path), tmp_path / "home")


def test_a_report_says_how_far_readers_agree(ledger: Ledger, tmp_path: Path) -> None:
    names = {"labels": {"1": "x", "2": "y"}}
    ledger.accept("a", label_map(tmp_path, "a1", (1, 4), (6, 7)), {"reader": "anna", **names})
    assert agreement_rows(ledger) == []
    before = LoopReport.of(Studies.of(tmp_path), "tiny", tmp_path / "home")
    assert not any(str(row["table"]).startswith("agreement") for row in before.rows())  # a team of one
    ledger.accept("a", label_map(tmp_path, "a2", (1, 3)), {"reader": "bert", **names})
    x, y = agreement_rows(ledger)
    assert (x["label"], x["first"], x["second"], x["dice"], x["nsd"]) == ("x", "anna", "bert", 0.8, 1.0)
    assert (y["label"], y["dice"], y["nsd"], y["decided_by"]) == ("y", 0.0, 0.0, "")
    ledger.accept("b", label_map(tmp_path, "b1", (1, 3)), {"reader": "anna", **names})
    ledger.accept("b", label_map(tmp_path, "b1", (1, 3)), {"reader": "bert", **names})
    ledger.adjudicate("b", label_map(tmp_path, "b1", (1, 3)), {"reader": "carl"})
    rows = agreement_rows(ledger)
    assert {row["decided_by"] for row in rows if row["case"] == "b"} == {"carl"}
    assert next(by_label(rows)) == {
        "table": "agreement_by_label",
        "label": "x",
        "cases": 2,
        "dice": 0.9,
        "nsd": 1.0,
    }
    report = LoopReport.of(Studies.of(tmp_path), "tiny", tmp_path / "home")
    assert [row["label"] for row in report.between_readers()] == ["x", "y"]
    assert len(report.records) == 4  # a decision is nobody's drawing
    assert "How far readers of one case agree" in report.page().write(tmp_path, "after").read_text()


def test_readings_that_cannot_be_compared_are_left_out(ledger: Ledger, tmp_path: Path) -> None:
    for reader in ("anna", "bert"):
        broken = tmp_path / f"{reader}.nii.gz"
        broken.write_bytes(reader.encode())
        ledger.accept("a", broken, {"reader": reader})
    assert agreement_rows(ledger) == []
