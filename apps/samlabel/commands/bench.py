"""`samlabel bench`: how good, how robust and how fast is a model, on labelled studies.

Each command writes one JSON (`--out`) and one page with figures (`--page`). Interrupted, it goes on with `--resume`.
Exit code 0: measured; 1: it could not be measured, and the sentence says why; 2: the command line is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from samlabel.commands import bench_learning
from samlabel.commands.measured import (
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
    as_sentences,
    measured,
)

app = typer.Typer(help="Measure a model on labelled studies.", no_args_is_help=True)
for _command in (bench_learning.loop, bench_learning.uncertainty, bench_learning.train):
    app.command()(_command)


@app.command()
def prompts(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/prompts.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    grid: Annotated[
        int,
        typer.Option(
            min=0, max=64, help="Points per side of S1; 0 leaves it out. 32 take over 20 minutes on a dozen pictures."
        ),
    ] = 0,
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """COSMOS prompt strategies S1 to S6 beside the ellipse of the box, GrabCut, random walker and region growing."""
    with measured(context) as run:
        from sam_trainer.bench.runs import run_prompts

        run.keep(run_prompts(run.exam(studies, limit, separate), grid))


@app.command()
def clicks(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/clicks.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    baselines: Annotated[bool, typer.Option(help="Also let the reader click for the classical methods.")] = True,
    gestures: Annotated[bool, typer.Option(help="Also let the reader draw strokes and lassos.")] = False,
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """Dice after 1 to 10 corrections by a simulated reader, and the clicks needed until it is good enough."""
    with measured(context) as run:
        from sam_trainer.bench.runs import run_clicks

        run.keep(run_clicks(run.exam(studies, limit, separate), baselines, gestures))


@app.command()
def robustness(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/robustness.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    repeats: Annotated[int, typer.Option(min=1, help="Draws per object and level.")] = 3,
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """What careless boxes and points cost."""
    with measured(context) as run:
        from sam_trainer.bench.runs import run_robustness

        run.keep(run_robustness(run.exam(studies, limit, separate), repeats))


@app.command()
def latency(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Studies = DEMO[0],
    model: Annotated[str, typer.Option(help="Which model to ask; with --servers several, comma-separated.")] = "tiny",
    out: Out = Path("runs/bench/latency.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    repeats: Annotated[int, typer.Option(min=3, help="Visits per phase.")] = 30,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the network.")] = 2,
    servers: Annotated[bool, typer.Option(help="Ask servers over HTTP, as OHIF does, on large volumes.")] = False,
    stock: Annotated[
        Path | None, typer.Option(help="With --servers: folder of the stock server's environment, made if missing.")
    ] = None,
    readers_seconds: Annotated[
        float, typer.Option(min=0, help="With --servers: how long scripted readers work; 0 leaves them out.")
    ] = 60,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """Time per phase of a reader's visit: of the network in this process, or of servers to the last byte."""
    with measured(context) as run:
        if servers:
            from samlabel.server_bench.run import ServerPlan, run_servers  # starts processes; nobody else needs it

            names = tuple(name.strip() for name in model.split(","))
            run.facts = {"precision": "fp32", "threads": threads}
            plan = ServerPlan(names, stock, repeats, threads, readers_seconds)
            run.keep(run_servers(plan, lambda outcome: run.keep(outcome, complete=False), run.journal))
            return
        from sam_trainer.bench.runs import run_latency

        run.keep(run_latency(run.exam(studies, limit or repeats, None), model, repeats))


@app.command()
def volumes(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/volumes.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """One box, one point or three slices become an object in 3D, beside extruded outlines and per-slice boxes."""
    with measured(context) as run:
        from sam_infer.propagation.segment import VolumeOptions
        from sam_trainer.bench.volumes_run import run_volumes

        structures = run.structures(studies, limit, separate)
        run.keep(run_volumes(run.backbone, structures, VolumeOptions(), seed, run.journal))


@app.command()
def card(
    results: Annotated[Path, typer.Option(help="Folder of the JSON files.")] = Path("benchmarks/results"),
    out: Annotated[Path, typer.Option(help="Where the card goes.")] = Path("docs/model-card-tiny.md"),
) -> None:
    """Write the model card of `tiny` from its manifest and the committed results."""
    with as_sentences():
        from sam_trainer.pretraining.model_card import write_card

        write_card(results, out)
        Console(stderr=True).print(f"wrote {out}")
