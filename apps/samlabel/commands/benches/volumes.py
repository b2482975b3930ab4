"""`samlabel bench volumes`: objects in 3D from one prompt, several, corrections, or an accepted case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_trainer.errors import TrainingError
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


def volumes(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/volumes.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    engine: Annotated[str, typer.Option(help="Who follows: auto, tracker, or sam2 for the sam2.1 models.")] = "auto",
    clicks: Annotated[
        bool, typer.Option("--clicks", help="A simulated reader corrects one box, up to ten times.")
    ] = False,
    protocol: Annotated[
        str, typer.Option(help="all, or seed: one accepted case serves the others of its source, without a prompt.")
    ] = "all",
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """One box, one point or three slices become an object in 3D, beside extruded outlines and per-slice boxes."""
    with measured(context) as run:
        from sam_infer.propagation.engine import engine as known_engine
        from sam_infer.propagation.options import VolumeOptions
        from sam_trainer.bench.volumes_run import ALL, CLICKS, SEED, run_volumes

        known_engine(engine, run.backbone)
        if protocol not in (ALL, SEED):
            raise TrainingError(f"protocol must be {ALL} or {SEED}, got {protocol!r}", "protocol")
        structures, options = run.structures(studies, limit, separate), VolumeOptions(engine=engine)
        asked = CLICKS if clicks else protocol
        run.keep(run_volumes(run.backbone, structures, options, seed, run.journal, asked))
