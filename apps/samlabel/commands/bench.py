"""`samlabel bench`: how good, how robust and how fast is a model, on labelled studies.

Each command writes one JSON (`--out`) and one page with figures (`--page`). Exit code 0: measured; 1: it could not be
measured, and the sentence says why; 2: the command line is wrong.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from sam_infer.weights.available import require_added
from sam_trainer.bench.learning.few_cases_plan import Plan, choices, numbers
from sam_trainer.config import METHODS
from samlabel.commands.measured import DEMO, DEMO_FOLDER, as_sentences, labelled_folder, measured
from samlabel.offline.outputs import result_file

if TYPE_CHECKING:
    from sam_trainer.bench.runs import Outcome

app = typer.Typer(help="Measure a model on labelled studies.", no_args_is_help=True)

GRADED = "graded"  # the pool of `bench uncertainty`

Studies = Annotated[str, typer.Option(help="A studies folder with labels, a folder of them, or demo.")]
Model = Annotated[str, typer.Option(help="Which model to ask.")]
Out = Annotated[Path, typer.Option(help="Where the JSON goes.", callback=result_file)]
PageFolder = Annotated[Path, typer.Option("--page", help="Folder of the page and its figures.")]
Seed = Annotated[int, typer.Option(help="Everything random depends on it.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most so many objects per source.")]
Separate = Annotated[
    list[str] | None,
    typer.Option(metavar="SOURCE", help="A further source to keep out of the headline; may be repeated."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads of the network.")]


@app.command()
def prompts(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/prompts.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    grid: Annotated[int, typer.Option(min=0, max=64, help="Points per side of S1; 0 leaves it out.")] = 32,
    threads: Threads = None,
) -> None:
    """COSMOS prompt strategies S1 to S6 beside the ellipse of the box, GrabCut, random walker and region growing."""
    with measured(model, seed, threads, studies) as run:
        from sam_trainer.bench.runs import run_prompts

        run.keep(run_prompts(run.exam(studies, limit, separate), grid), out, page)


@app.command()
def clicks(  # noqa: PLR0913 - every parameter is an option of the command
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
) -> None:
    """Dice after 1 to 10 corrections by a simulated reader, and the clicks needed until it is good enough."""
    with measured(model, seed, threads, studies) as run:
        from sam_trainer.bench.runs import run_clicks

        run.keep(run_clicks(run.exam(studies, limit, separate), baselines, gestures), out, page)


@app.command()
def robustness(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/robustness.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    repeats: Annotated[int, typer.Option(min=1, help="Draws per object and level.")] = 3,
    threads: Threads = None,
) -> None:
    """What careless boxes and points cost."""
    with measured(model, seed, threads, studies) as run:
        from sam_trainer.bench.runs import run_robustness

        run.keep(run_robustness(run.exam(studies, limit, separate), repeats), out, page)


@app.command()
def latency(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Studies = DEMO[0],
    model: Annotated[str, typer.Option(help="Which model to ask; with --servers several, comma-separated.")] = "tiny",
    out: Out = Path("runs/bench/latency.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    repeats: Annotated[int, typer.Option(min=3, help="Visits per phase.")] = 30,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the network.")] = 2,
    servers: Annotated[bool, typer.Option(help="Ask servers over HTTP, as OHIF does, on large volumes.")] = False,
    stock: Annotated[
        Path | None, typer.Option(help="With --servers: folder of the stock server's environment, made if missing.")
    ] = None,
    readers_seconds: Annotated[
        float, typer.Option(min=0, help="With --servers: how long scripted readers work; 0 leaves them out.")
    ] = 60,
) -> None:
    """Time per phase of a reader's visit: of the network in this process, or of servers to the last byte."""
    if servers:
        from sam_trainer.reports.record import Report, command_line
        from samlabel.server_bench.run import ServerPlan, run_servers  # starts processes; nobody else needs it

        with as_sentences():
            started, names = time.time(), tuple(name.strip() for name in model.split(","))

            def keep(outcome: Outcome) -> None:
                facts = {"precision": "fp32", "threads": threads}
                Report(command_line(), seed, outcome.rows, started, facts).write(out)
                Console(stderr=True).print(f"wrote {out} and {outcome.page.write(page, out.stem)}")

            run_servers(ServerPlan(names, stock, repeats, threads, readers_seconds), keep)
        return
    with measured(model, seed, threads, studies) as run:
        from sam_trainer.bench.runs import run_latency

        run.keep(run_latency(run.exam(studies, repeats, None), model, repeats), out, page)


@app.command()
def volumes(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Studies = DEMO[0],
    model: Model = "tiny",
    out: Out = Path("runs/bench/volumes.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    threads: Threads = None,
) -> None:
    """One box, one point or three slices become an object in 3D, beside extruded outlines and per-slice boxes."""
    with measured(model, seed, threads, studies) as run:
        from sam_infer.propagation.segment import VolumeOptions
        from sam_trainer.bench.volumes_run import run_volumes

        run.keep(run_volumes(run.backbone, run.structures(studies, limit, separate), VolumeOptions(), seed), out, page)


@app.command()
def loop(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Annotated[str, typer.Option(help="`pools`, the procedural ones, or a labelled folder.")] = "pools",
    pools: Annotated[str, typer.Option(help="Which of them, comma-separated; without it all.")] = "",
    strategies: Annotated[str, typer.Option(help="Comma-separated.")] = "sam_hybrid,sam_random_fg,random",
    seeds: Annotated[int, typer.Option(min=1, help="Projects per pool and strategy, paired.")] = 5,
    seed: Annotated[int, typer.Option(help="The first of them.")] = 0,
    rounds: Annotated[int | None, typer.Option(min=1, help="Trainings per project.")] = None,
    cases: Annotated[int | None, typer.Option(min=1, help="Labels per round.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Projects side by side, one thread each.")] = 2,
    keep: Annotated[Path | None, typer.Option(help="Folder that keeps the projects.")] = None,
    out: Out = Path("runs/bench/loop.json"),
    page: PageFolder = Path("runs/bench"),
) -> None:
    """Does choosing cases pay: whole projects with a simulated reader, the real loop, several strategies."""
    from sam_trainer.active.strategies import checked_strategy

    chosen = tuple(checked_strategy(name.strip()) for name in strategies.split(","))
    with measured("tiny", seed, None, studies if studies != "pools" else None) as run:
        from sam_trainer.bench.learning.project import LoopConfig
        from sam_trainer.bench.learning.projects import LoopOrder
        from sam_trainer.bench.learning.projects_run import run_loop, sentences
        from sam_trainer.synthetic.pools import POOLS

        order = LoopOrder(
            strategies=chosen,
            pools=tuple(name.strip() for name in pools.split(",")) if pools else tuple(POOLS),
            seeds=seeds,
            first_seed=seed,
            workers=workers,
            studies=None if studies == "pools" else Path(studies),
            config=LoopConfig(rounds=rounds or LoopConfig.rounds, cases=cases or LoopConfig.cases),
        )
        console = Console(stderr=True)
        outcome = run_loop(
            order,
            keep,
            lambda one: console.print(
                f"{one.pool} {one.strategy} seed {one.seed}: {one.rounds[0].test_clicks:.2f} -> "
                f"{one.rounds[-1].test_clicks:.2f} clicks per case, {one.cpu_seconds:.0f} s"
            ),
        )
        run.keep(outcome, out, page)
        for sentence in sentences(outcome):
            typer.echo(sentence)


@app.command()
def uncertainty(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Annotated[str, typer.Option(help="`graded`, the procedural pool, or labelled studies.")] = GRADED,
    model: Model = "tiny",
    out: Out = Path("runs/bench/uncertainty.json"),
    page: PageFolder = Path("runs/bench"),
    seed: Seed = 0,
    slices: Annotated[int, typer.Option(min=1, help="Per volume.")] = 6,
    labels: Annotated[int, typer.Option(min=1, help="At most so many of a case.")] = 6,
    threads: Threads = None,
) -> None:
    """Do scores know where the network errs: rank correlation with the true error, and calibration."""
    with measured(model, seed, threads, studies if studies != GRADED else None) as run:
        from sam_trainer.bench.uncertainty_run import folder_questions, graded_questions, run_uncertainty

        questions = graded_questions(seed) if studies == GRADED else folder_questions(Path(studies), labels)
        run.keep(run_uncertainty(run.backbone, questions, studies, slices, seed), out, page)


@app.command()
def train(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Annotated[
        str | None, typer.Option(help="A folder of studies folders: also leave their cases out one by one.")
    ] = None,
    model: Model = "tiny",
    out: Out = Path("runs/bench/train.json"),
    page: PageFolder = Path("runs/bench"),
    procedural: Annotated[bool, typer.Option(help="Train on procedural patients.")] = True,
    cases: Annotated[str, typer.Option(help="Numbers of accepted cases, comma-separated.")] = "1,2,5,10",
    methods: Annotated[str, typer.Option(help="Ways to train, comma-separated.")] = ",".join(METHODS),
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of the headline: lora and U-Net, 5 cases.")] = 3,
    held_out: Annotated[int, typer.Option(min=2, help="Procedural patients that are asked.")] = 20,
    epochs: Annotated[int, typer.Option(min=1, help="Of 12 steps each.")] = 8,
    unet_epochs: Annotated[int | None, typer.Option(min=1, help="Of the U-Net; default: as many.")] = None,
    threads: Threads = None,
) -> None:
    """What a few accepted cases are worth: every method beside no training and a U-Net; kept after every training."""
    with as_sentences():
        plan = Plan(numbers(cases), choices(methods), seeds, held_out, epochs=epochs, unet_epochs=unet_epochs)
    with measured(model, 0, threads, studies) as run:
        from sam_infer.models.load import load_network
        from sam_trainer.bench.learning.few_cases_run import run_train
        from sam_trainer.labels.cases import read_sources

        sources = read_sources(Path(studies)) if studies is not None else []
        last = run_train(
            load_network(model),
            plan,
            DEMO_FOLDER.parent / "anatomies" if procedural else None,
            sources,
            lambda outcome: run.keep(outcome, out, page),
        )
        run.keep(last, out, page)


@app.command()
def card(  # noqa: PLR0913 - every parameter is an option of the command
    model: Model = "tiny",
    studies: Annotated[
        list[str] | None, typer.Option(help="Measure on these first; may be repeated. Without it: what was measured.")
    ] = None,
    results: Annotated[Path | None, typer.Option(help="Folder of the benches' JSON files.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the card goes, and beside it its JSON.")] = None,
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    repeats: Annotated[int, typer.Option(min=3, help="Visits per phase of the latency.")] = 15,
    threads: Threads = None,
) -> None:
    """A model's card: provenance, licence, sizes, speed, results per source, and where it loses; resumable."""
    committed = model == "tiny" and not studies
    folder = results or (Path("benchmarks/results") if committed else Path("runs/card") / model)
    written = out or (Path("docs/model-card-tiny.md") if committed else folder / f"model-card-{model}.md")
    with as_sentences():
        require_added(model)
    if studies:
        with measured(model, seed, threads, None) as run:
            from sam_trainer.bench.card.measure import CardBench, sources_of
            from sam_trainer.reports.record import command_line

            sources = sources_of([labelled_folder(name) for name in studies], separate or ())
            bench = CardBench(run.backbone, folder, command_line(), seed, lambda line: typer.echo(line, err=True))
            bench.run(sources, limit, repeats)
    with as_sentences():
        from sam_trainer.bench.card.model_card import write_card

        write_card(model, folder, written)
        Console(stderr=True).print(f"wrote {written} and {written.with_suffix('.json').name}")
