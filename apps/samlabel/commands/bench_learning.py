"""`samlabel bench loop`, `uncertainty`, `train`: does learning pay, and do scores know where the network errs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sam_infer.networks.precision import AUTO
from sam_trainer.bench.learning.arms import DEFAULT, choices, numbers
from sam_trainer.config import PRECISIONS
from sam_trainer.errors import TrainingError
from samlabel.commands.measured import (
    DEMO_FOLDER,
    AllowChanged,
    Model,
    Out,
    PageFolder,
    Resume,
    Seed,
    Threads,
    as_sentences,
    measured,
)

POOLS = "pools"  # of `bench loop`
GRADED = "graded"  # the pool of `bench uncertainty`


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

        questions = graded_questions(seed) if studies == GRADED else folder_questions(Path(studies), labels)
        run.keep(run_uncertainty(run.backbone, questions, DoubtPlan(studies, slices, seed, limit), run.journal))


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
    methods: Annotated[str, typer.Option(help="What trains, comma-separated; also untapped and samed.")] = ",".join(
        DEFAULT
    ),
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
        plan = Plan(counts, arms, seeds, folder_seeds, folds, held_out, Plan.objects, budget, settled, limit, workers)
        sources = read_sources(Path(studies)) if studies is not None else []
        trainings = trainings_of(plan, DEMO_FOLDER.parent / "anatomies" if procedural else None, sources)
        run.keep(run_train(model, plan, trainings, run.journal, lambda outcome: run.keep(outcome, complete=False)))
