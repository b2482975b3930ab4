"""`samlabel bench stream`: what learning from each accepted label at once is worth, on streams of cases."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from samlabel.commands.benches.measured import (
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

PROCEDURAL = "biased"


def stream(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Annotated[
        str, typer.Option(help="`biased`, the procedural stream; a studies folder, a folder of them, or demo.")
    ] = PROCEDURAL,
    model: Model = "tiny",
    out: Out = Path("runs/bench/stream.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many cases per stream.")] = None,
    separate: Separate = None,
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """Learning as it goes: the network alone, with what was learned, and that alone; told all, some, or carelessly."""
    with measured(context, (PROCEDURAL,)) as run:
        from sam_trainer.bench.stream.occasions import LENGTH, biased, of_sources
        from sam_trainer.bench.stream.run import run_stream
        from sam_trainer.labels.cases import read_sources

        streams = [biased(limit or LENGTH, seed)]
        if studies != PROCEDURAL:
            streams += of_sources(read_sources(labelled_folder(studies), separate or ()), limit)

        def keep(outcome: Outcome) -> None:
            run.keep(outcome, complete=False)

        run.keep(run_stream(run.backbone, streams, run.journal, keep, seed))
