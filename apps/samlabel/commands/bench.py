"""`samlabel bench`: how good, how robust and how fast is a model, on labelled studies.

Each command writes one JSON (`--out`) and one page with figures (`--page`). Interrupted, it goes on with `--resume`.
Exit code 0: measured; 1: it could not be measured, and the sentence says why; 2: the command line is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_infer.networks.runtimes.precision import AUTO
from sam_trainer.bench.learning.arms import DEFAULT, choices, numbers
from sam_trainer.config import PRECISIONS
from sam_trainer.errors import TrainingError
from samlabel.commands.benches.advice import advice
from samlabel.commands.benches.auto import auto
from samlabel.commands.benches.card import card
from samlabel.commands.benches.language import language
from samlabel.commands.benches.measured import (
    DEMO,
    DEMO_FOLDER,
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
    labelled_folder,
    measured,
)
from samlabel.commands.benches.stream import stream
from samlabel.commands.benches.volumes import volumes

app = typer.Typer(help="Measure a model on labelled studies.", no_args_is_help=True)
app.command()(advice)
app.command()(auto)
app.command()(card)
app.command()(language)
app.command()(stream)
app.command()(volumes)

POOLS = "pools"  # of `bench loop`
GRADED = "graded"  # the pool of `bench uncertainty`


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
            # starts processes; nobody else needs it
            from samlabel.server_bench.run import VOLUMES, ServerPlan, run_servers

            names = tuple(name.strip() for name in model.split(","))
            run.facts = {"precision": "fp32", "threads": threads}
            volumes = min(limit or VOLUMES, VOLUMES)
            plan = ServerPlan(names, stock, repeats, threads, readers_seconds, volumes)
            run.keep(run_servers(plan, lambda outcome: run.keep(outcome, complete=False), run.journal))
            return
        from sam_trainer.bench.runs import run_latency

        run.keep(run_latency(run.exam(studies, limit or repeats, None), model, repeats))


@app.command()
def loop(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Annotated[str, typer.Option(help="`pools`, the procedural ones, or a labelled folder.")] = POOLS,
    pools: Annotated[str, typer.Option(help="Which of them, comma-separated; without it all.")] = "",
    strategies: Annotated[str, typer.Option(help="Comma-separated.")] = "sam_hybrid,sam_random_fg,random",
    seeds: Annotated[int, typer.Option(min=1, help="Projects per pool and strategy, paired.")] = 5,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    rounds: Annotated[int, typer.Option(min=1, help="Trainings per project.")] = 5,
    cases: Annotated[int, typer.Option(min=1, help="Labels per round.")] = 3,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many cases to choose from.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Projects side by side, one thread each.")] = 2,
    model: Model = "tiny",
    keep: Annotated[Path | None, typer.Option(help="Folder that keeps the projects.")] = None,
    out: Out = Path("runs/bench/loop.json"),
    page: PageFolder = Path("runs/bench"),
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """Does choosing cases pay: whole projects with a simulated reader, the real loop, several strategies."""
    from sam_trainer.active.strategies import checked_strategy

    chosen = tuple(checked_strategy(name.strip()) for name in strategies.split(","))
    with measured(context, (POOLS,)) as run:
        from sam_trainer.bench.learning.project import LoopConfig
        from sam_trainer.bench.learning.projects import LoopOrder
        from sam_trainer.bench.learning.projects_run import run_loop, sentences
        from sam_trainer.synthetic.pools import POOLS as EVERY

        order = LoopOrder(
            strategies=chosen,
            pools=tuple(name.strip() for name in pools.split(",")) if pools else tuple(EVERY),
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            studies=None if studies == POOLS else Path(studies),
            config=LoopConfig(rounds=rounds, cases=cases),
            limit=limit,
        )
        outcome = run_loop(order, keep, lambda _: None, run.journal)
        run.keep(outcome)
        for sentence in sentences(outcome):
            typer.echo(sentence)


@app.command()
def uncertainty(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Annotated[str, typer.Option(help="`graded`, the procedural pool, or labelled studies.")] = GRADED,
    model: Model = "tiny",
    out: Out = Path("runs/bench/uncertainty.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many cases per source.")] = None,
    slices: Annotated[int, typer.Option(min=1, help="Per volume.")] = 6,
    labels: Annotated[int, typer.Option(min=1, help="At most so many of a case.")] = 6,
    threads: Threads = None,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """Do scores know where the network errs: rank correlation with the true error, and calibration."""
    with measured(context, (GRADED,)) as run:
        from sam_trainer.bench.uncertainty_run import DoubtPlan, folder_questions, graded_questions, run_uncertainty

        questions = graded_questions(seed) if studies == GRADED else folder_questions(labelled_folder(studies), labels)
        run.keep(run_uncertainty(run.backbone, questions, DoubtPlan(studies, slices, seed, limit), run.journal))


@app.command()
def train(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    studies: Annotated[
        str | None, typer.Option(help="A folder of studies folders: also leave their cases out one by one.")
    ] = None,
    model: Model = "tiny",
    out: Out = Path("runs/bench/train.json"),
    page: PageFolder = Path("runs/bench"),
    procedural: Annotated[bool, typer.Option(help="Train on procedural patients.")] = True,
    cases: Annotated[str, typer.Option(help="Numbers of accepted cases, comma-separated.")] = "1,2,5,10",
    methods: Annotated[
        str, typer.Option(help="What trains, comma-separated; also untapped, samed and kinds of adapters, or all.")
    ] = ",".join(DEFAULT),
    proofs: Annotated[
        bool, typer.Option(help="Only kinds of adapters, each on the cohort made for it, against lora.")
    ] = False,
    only: Annotated[str, typer.Option(help="Names of the real folders that are measured, comma-separated.")] = "",
    budget: Annotated[
        float, typer.Option(min=0.1, help="Seconds of one core for a training: so many steps as they pay for.")
    ] = 60.0,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each kind on procedural patients.")] = 3,
    folder_seeds: Annotated[int, typer.Option(min=1, help="The same on real folders.")] = 1,
    folds: Annotated[int, typer.Option(min=1, help="Cases per real folder that are left out, at most.")] = 3,
    held_out: Annotated[int, typer.Option(min=2, help="Procedural patients that are asked.")] = 20,
    limit: Annotated[int | None, typer.Option(min=2, help="At most so many cases per folder, and held out.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Trainings side by side, one thread each.")] = 2,
    precision: Annotated[str, typer.Option(help="auto, bfloat16 or float32.")] = AUTO,
    resume: Resume = False,
    allow_changed: AllowChanged = False,
) -> None:
    """What a few accepted cases are worth: every method beside no training and a U-Net; kept after every training."""
    with as_sentences():
        if precision not in PRECISIONS:
            raise TrainingError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}", "precision")
        counts, arms = numbers(cases), choices(methods)
    with measured(context) as run:
        from sam_trainer.bench.learning.few_cases_plan import Plan
        from sam_trainer.bench.learning.few_cases_run import run_train, trainings_of
        from sam_trainer.labels.cases import read_sources
        from sam_trainer.training.precision import faster_precision

        settled = run.journal.unit("precision", faster_precision) if precision == AUTO else precision
        run.facts["precision"] = settled
        names = tuple(filter(None, map(str.strip, only.split(","))))
        amount = (folds, held_out, Plan.objects, budget, settled, limit, workers)
        plan = Plan(counts, arms, seeds, folder_seeds, *amount, names)
        if proofs:
            from sam_trainer.bench.kinds.run import proofs_of, run_proofs

            proving = proofs_of(plan, DEMO_FOLDER.parent / "cohorts")
            run.keep(run_proofs(model, plan, proving, run.journal, lambda outcome: run.keep(outcome, complete=False)))
            return
        sources = read_sources(labelled_folder(studies)) if studies is not None else []
        trainings = trainings_of(plan, DEMO_FOLDER.parent / "anatomies" if procedural else None, sources)
        run.keep(run_train(model, plan, trainings, run.journal, lambda outcome: run.keep(outcome, complete=False)))
