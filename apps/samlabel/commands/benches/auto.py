"""`samlabel bench auto`: what automatic labels of a new case are worth, mode by mode."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samlabel.commands.benches.measured import (
    DEMO,
    AllowChanged,
    Model,
    Out,
    PageFolder,
    Resume,
    Seed,
    Separate,
    Studies,
    Threads,
    labelled_folder,
    measured,
)

if TYPE_CHECKING:
    from sam_trainer.bench.runs import Outcome


def auto(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/auto.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many cases per folder.")] = None,
    folds: Annotated[int, typer.Option(min=1, help="Cases per folder that are left out, at most.")] = 3,
    slices: Annotated[int, typer.Option(min=1, help="Of a case that is left out, at most.")] = 3,
    labels: Annotated[int, typer.Option(min=1, help="On a slice, at most.")] = 4,
    budget: Annotated[float, typer.Option(min=0, help="Seconds of one core for the U-Net; 0 leaves it out.")] = 30.0,
    separate: Separate = None,
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """Labels without a click: cases are left out one by one, every mode beside its baseline, clicks left afterwards."""
    with measured(context) as run:
        from sam_infer.models.load import load_network
        from sam_trainer.bench.automatic.folds import AutoPlan, folds_of
        from sam_trainer.bench.automatic.run import run_auto
        from sam_trainer.labels.cases import read_sources

        plan = AutoPlan(folds, limit, slices, labels, budget, seed)
        found = folds_of(read_sources(labelled_folder(studies), separate or ()), plan)

        def keep(outcome: Outcome) -> None:
            run.keep(outcome, complete=False)

        run.keep(run_auto(load_network(model), found, plan, run.journal, keep))
