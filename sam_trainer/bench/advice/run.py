"""`samlabel bench advice`: rows and a page."""

from __future__ import annotations

from sam_trainer.bench.advice.measure import measure, rows_of
from sam_trainer.bench.exam import Exam
from sam_trainer.bench.runs import Outcome
from sam_trainer.reports.page import Page


def run_advice(exam: Exam, with_clicks: bool = True) -> Outcome:
    """Whether warnings tell bad answers, and what a click at the proposed place wins."""
    rows = list(rows_of(measure(exam, with_clicks), exam.backbone.weights_id, exam.seed))
    page = Page(f"Advice: {exam.backbone.name}")
    figures_of = ("auroc", "ci_low", "ci_high", "n", "bad")
    page.table(
        "Tells answers below a Dice of 0.8",
        [r for r in rows if r["kind"] != "next click"],
        ("kind", "style", "sign", *figures_of, "shown"),
    )
    wins = [row for row in rows if row["kind"] == "next click"]
    page.table("Dice that one more click wins", wins, ("style", "where", "won", "ci_low", "ci_high", "n"))
    return Outcome(rows, page)
