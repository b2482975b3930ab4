"""`samlabel bench advice`: whether warnings tell bad answers, and what a click at the proposed place wins."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from samlabel.commands.benches.measured import (
    DEMO,
    AllowChanged,
    Limit,
    Model,
    Out,
    PageFolder,
    Resume,
    Seed,
    Separate,
    Studies,
    Threads,
    measured,
)


def advice(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/advice.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    clicks: Annotated[bool, typer.Option(help="Also measure what a click at the proposed place wins.")] = True,
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """Do warnings tell answers below a Dice of 0.8 (AUROC), are they shown, and what does the proposed click win."""
    with measured(context) as run:
        from sam_trainer.bench.advice.run import run_advice

        run.keep(run_advice(run.exam(studies, limit, separate), clicks))
