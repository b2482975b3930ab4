"""The advice bench: AUROC per sign, the verdict that a server would reach, and what clicks win."""

from __future__ import annotations

from sam_trainer.bench.advice.run import run_advice
from sam_trainer.bench.exam import Exam
from sam_trainer.judging.advice import worth


def test_rows_of_signs_a_verdict_and_clicks(short_exam: Exam) -> None:
    rows = run_advice(short_exam).rows
    kinds = [row["kind"] for row in rows]
    assert kinds.count("auroc") == 3 * 6 and kinds.count("verdict") == 1 and kinds.count("next click") == 2 * 3
    verdict = next(row for row in rows if row["kind"] == "verdict")
    assert verdict["n"] == 8 and verdict["shown"] is False  # too few answers to prove anything
    won = {(row["style"], row["where"]): row["won"] for row in rows if row["kind"] == "next click"}
    assert won["click", "largest error"] >= won["click", "marked"] - 1e-9
    assert worth([], "net", "bench") is None
