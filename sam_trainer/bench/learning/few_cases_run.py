"""`samlabel bench train`: the few-shot bench as rows and as a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from sam_trainer.bench.learning.arms import NONE
from sam_trainer.bench.learning.few_cases import SEMANTIC, Outcomes, rows, together
from sam_trainer.bench.learning.few_cases_plan import Plan, Training, left_out, procedural
from sam_trainer.bench.learning.one_training import MEASURES, answered
from sam_trainer.bench.learning.side_by_side import side_by_side
from sam_trainer.bench.runs import Outcome
from sam_trainer.labels.cases import Source
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.page import Page
from sam_trainer.reports.table import ALL, Row
from sam_trainer.synthetic.anatomies import SOURCE

COLUMNS = (
    "method",
    "cases",
    "seed",
    "parameters",
    "head_parameters",
    "megabytes",
    "steps",
    "seconds",
    *MEASURES,
    SEMANTIC,
    "n",
)
Answer = tuple[Training, dict[str, Any]]

GAINS = ("source", "method", "over", "cases", "seeds", "measure", "held_out", "gain", "ci_low", "ci_high", "verdict")


def trainings_of(plan: Plan, folder: Path | None, sources: Sequence[Source]) -> list[Training]:
    """All trainings of a plan: procedural patients in `folder` (None: none), then `sources`."""
    return [*(procedural(plan, folder) if folder is not None else ()), *left_out(plan, sources)]


def run_train(
    model: str, plan: Plan, trainings: Sequence[Training], journal: Journal, keep: Callable[[Outcome], None]
) -> Outcome:
    """Do every training that the journal does not know, two side by side; `keep` gets what there is after each."""
    named = {training.key: training for training in trainings}

    def so_far() -> Outcome:
        done = [(one, journal.unit(key, dict)) for key, one in named.items() if journal.knows(key)]
        return _outcome(model, together(_whole_folders(done, trainings)))

    jobs = {key: (model, plan, training) for key, training in named.items()}
    side_by_side(jobs, answered, plan.workers, journal, lambda _: keep(so_far()))
    return so_far()


def _whole_folders(done: Sequence[Answer], trainings: Sequence[Training]) -> list[Answer]:
    """What was done, without folders of which some cases are still to be left out by the same method."""

    def place(training: Training) -> tuple[str, str, int]:
        return training.source, training.method, training.seed

    finished = {training.key for training, _ in done}
    open_ones = {place(one) for one in trainings if one.labels is not None and one.key not in finished}
    return [(one, told) for one, told in done if one.labels is None or place(one) not in open_ones]


def _outcome(model: str, outcomes: Sequence[Outcomes]) -> Outcome:
    found = rows(outcomes)
    page = Page(f"Learning from few cases: {model}")
    means = [row for row in found if row.get("label") == ALL]
    own = [row for row in means if row["source"] == SOURCE]
    if own:
        page.table("Procedural patients", own, COLUMNS)
        page.figure("cases", _over_cases(own))
    real = [row for row in means if row["source"] != SOURCE]
    if real:
        page.table("Real folders, cases left out one by one", real, ("source", *COLUMNS))
    gained = [row for row in found if "gain" in row]
    page.table("Paired differences, 95 % intervals over held-out cases", gained, GAINS)
    return Outcome(found, page)


def _over_cases(found: Sequence[Row]) -> Figure:
    """One-click and semantic Dice over the number of cases."""
    figure = Figure(figsize=(10, 4))
    for axes, measure in zip(figure.subplots(1, 2), (MEASURES[0], SEMANTIC), strict=True):
        for method in dict.fromkeys(row["method"] for row in found if row["method"] != NONE):
            drawn = _line_of(found, method, measure)
            if drawn:
                axes.plot(*zip(*drawn, strict=True), marker="o", label=method)
        for row in found:
            if row["method"] == NONE and measure in row:
                axes.axhline(row[measure], color="0.5", linestyle="--", label="no training")
        axes.set_xlabel("accepted cases")
        axes.set_ylabel(measure.replace("_", " "))
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    return figure


def _line_of(found: Sequence[Row], method: str, measure: str) -> list[tuple[int, float]]:
    """Numbers of cases and means over seeds, of one method."""
    drawn: dict[int, list[float]] = {}
    for row in found:
        if row["method"] == method and measure in row:
            drawn.setdefault(row["cases"], []).append(row[measure])
    return [(count, sum(values) / len(values)) for count, values in sorted(drawn.items())]
