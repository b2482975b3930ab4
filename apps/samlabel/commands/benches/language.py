"""`samlabel bench language`: what is understood, where named labels are found, and how far words alone go."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samlabel.commands.benches.measured import (
    DEMO_FOLDER,
    AllowChanged,
    Model,
    Out,
    PageFolder,
    Resume,
    Seed,
    Separate,
    Threads,
    labelled_folder,
    measured,
)

if TYPE_CHECKING:
    from sam_trainer.bench.runs import Outcome

# Procedural patients: one is left out, the others teach.
PATIENTS = 8


def language(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Annotated[
        str | None, typer.Option(help="Labelled studies, or a folder of such, besides the procedural patients.")
    ] = None,
    model: Model = "tiny",
    out: Out = Path("runs/bench/language.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many cases per folder.")] = None,
    folds: Annotated[int, typer.Option(min=1, help="Cases per folder that are left out, at most.")] = 3,
    labels: Annotated[int, typer.Option(min=1, help="Of a case, at most.")] = 6,
    separate: Separate = None,
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """The golden table of utterances; labels named by words on cases that are left out; a reader who only speaks."""
    with measured(context) as run:
        from sam_infer.models.load import load_network
        from sam_trainer.bench.automatic.folds import AutoPlan, folds_of
        from sam_trainer.bench.language.run import run_language
        from sam_trainer.labels.cases import Source, read_sources
        from sam_trainer.synthetic.anatomies import anatomies

        plan = AutoPlan(folds, limit, labels=labels, seed=seed)
        procedural = Source("procedural", tuple(anatomies(DEMO_FOLDER.parent / "anatomies", PATIENTS, seed)), False)
        real = read_sources(labelled_folder(studies), separate or ()) if studies is not None else []
        found = folds_of([procedural, *real], plan)

        def keep(outcome: Outcome) -> None:
            run.keep(outcome, complete=False)

        run.keep(run_language(load_network(model), found, plan, run.journal, keep))
