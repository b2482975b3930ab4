"""`samlabel bench train`: the few-shot bench as rows and as a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from sam_infer.models.load import BaseNetwork
from sam_trainer.bench.learning.few_cases import NONE, SEMANTIC, Measured, Outcomes, left_out, procedural
from sam_trainer.bench.learning.few_cases_plan import Plan
from sam_trainer.bench.learning.one_training import MEASURES
from sam_trainer.bench.runs import Outcome
from sam_trainer.labels.cases import Source
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import ALL, Row
from sam_trainer.synthetic.anatomies import SOURCE

COLUMNS = ("method", "cases", "seed", "parameters", "seconds", *MEASURES, SEMANTIC, "n")
GAINS = ("source", "method", "over", "cases", "seeds", "measure", "held_out", "gain", "ci_low", "ci_high")


def run_train(
    base: BaseNetwork, plan: Plan, folder: Path | None, sources: Sequence[Source], keep: Callable[[Outcome], None]
) -> Outcome:
    """Procedural patients in `folder` (None: none), then `sources`; `keep` gets what there is at every stage."""
    done = Measured()

    def stage(measured: Measured) -> None:
        keep(_outcome(base, done.outcomes + measured.outcomes, done.gains + measured.gains))

    if folder is not None:
        found = procedural(base, plan, folder, stage)
        done.outcomes += found.outcomes
        done.gains += found.gains
    if sources:
        found = left_out(base, plan, sources, stage)
        done.outcomes += found.outcomes
        done.gains += found.gains
    return _outcome(base, done.outcomes, done.gains)


def _outcome(base: BaseNetwork, outcomes: Sequence[Outcomes], gains: Sequence[Row]) -> Outcome:
    measured = Measured(list(outcomes), list(gains))
    rows = measured.rows()
    page = Page(f"Learning from few cases: {base.name}")
    means = [row for row in rows if row.get("label") == ALL]
    own = [row for row in means if row["source"] == SOURCE]
    if own:
        page.table("Procedural patients", own, COLUMNS)
        page.figure("cases", _over_cases(own))
    real = [row for row in means if row["source"] != SOURCE]
    if real:
        page.table("Real folders, each case left out once", real, ("source", *COLUMNS))
    page.table("Paired differences, 95 % intervals over held-out cases", list(gains), GAINS)
    return Outcome(rows, page)


def _over_cases(rows: Sequence[Row]) -> Figure:
    """One-click and semantic Dice over the number of cases."""
    figure = Figure(figsize=(10, 4))
    for axes, measure in zip(figure.subplots(1, 2), (MEASURES[0], SEMANTIC), strict=True):
        for method in dict.fromkeys(row["method"] for row in rows if row["method"] != NONE):
            line: dict[int, list[float]] = {}
            for row in rows:
                if row["method"] == method and measure in row:
                    line.setdefault(row["cases"], []).append(row[measure])
            counts = sorted(line)
            if counts:
                axes.plot(counts, [sum(line[n]) / len(line[n]) for n in counts], marker="o", label=method)
        for row in rows:
            if row["method"] == NONE and measure in row:
                axes.axhline(row[measure], color="0.5", linestyle="--", label="no training")
        axes.set_xlabel("accepted cases")
        axes.set_ylabel(measure.replace("_", " "))
        axes.grid(alpha=0.3)
        axes.legend()
    return figure
