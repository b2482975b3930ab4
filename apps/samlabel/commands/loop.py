"""`samlabel score`, `next` and `loop`: active learning without a server, and whether the learning loop pays.

Exit code 0: done, or there was nothing to do; 1: refused, or a case failed, with one sentence on why and what to do.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_infer.uncertainty.error_correlation import checked_method
from samlabel.commands.cli import STUDIES
from samlabel.config import AppConfig
from samlabel.offline.outputs import result_file
from samlabel.offline.telling import Status, telling

if TYPE_CHECKING:
    from samlabel.offline.project import Offline

app = typer.Typer(help="Say whether the learning loop pays.", no_args_is_help=True)

Where = Annotated[str, typer.Option(help=STUDIES)]
Model = Annotated[str, typer.Option(help="Which network; see `samlabel models list`.")]
Adapter = Annotated[str, typer.Option(help="latest, none, or an adapter's id.")]
Labels = Annotated[str | None, typer.Option(help="Comma-separated names (default: the studies' dataset.json).")]


def score(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Where,
    model: Model = AppConfig.model,
    adapter: Adapter = AppConfig.adapter,
    labels: Labels = None,
    measure: Annotated[str | None, typer.Option(help="How doubt is measured; a wrong name lists them.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Score again what is up to date.")] = False,
    most: Annotated[int | None, typer.Option(min=1, help="At most so many cases.")] = None,
) -> None:
    """Say how much every case without a label is worth one; goes on where it was interrupted."""
    from sam_infer.serving.activity import Activity, step_aside
    from sam_infer.weights.available import require_added
    from samlabel.loop.stopping import stopping

    if measure is not None:
        checked_method(measure)
    require_added(model)
    step_aside()  # a server on this machine comes first
    with offline(studies, model=model, adapter=adapter, labels=labels) as app, stopping() as should_stop:
        activity, cases = Activity(), count(1)
        with telling("loading the network") as told:

            def pause() -> None:
                told(Status(f"scoring, case {next(cases)}"))
                activity.wait(should_stop)

            found = app.scoring(measure).run(pause, should_stop, force=force, most=most)
    for case, sentence in found.failed.items():
        typer.secho(f"{case}: {sentence}", fg="red", err=True)
    typer.echo(found.sentence)
    if found.failed:
        raise typer.Exit(1)


def next_case(
    studies: Where,
    model: Model = AppConfig.model,
    adapter: Adapter = AppConfig.adapter,
    labels: Labels = None,
    strategy: Annotated[str, typer.Option(help="How to choose; a wrong name lists them.")] = AppConfig.random_is,
    cases: Annotated[int, typer.Option("--count", min=1, help="How many cases.")] = 1,
) -> None:
    """Say which case to label next, and why; nobody is sent there and no lease is taken."""
    from sam_infer.weights.available import require_added
    from sam_trainer.active.offer import Wish
    from sam_trainer.active.strategies import checked_strategy
    from samlabel.access.identity import LOCAL

    checked_strategy(strategy)
    require_added(model)
    with offline(studies, model=model, adapter=adapter, labels=labels) as app:
        taken: set[str] = set()
        for number in range(cases):
            wish = Wish(strategy, LOCAL, number)
            found = app.selection.next(wish, set(app.store.get_unlabeled_images()) - taken)
            if found is None:
                typer.echo("no case without a label is left")
                return
            taken.add(found.case)
            slices = f"; look first at slices {', '.join(map(str, found.slices[:3]))}" if found.slices else ""
            typer.echo(f"{found.case}: {found.reason}{slices}")


@app.command()
def report(
    studies: Where,
    model: Model = AppConfig.model,
    out: Annotated[Path, typer.Option(help="Where the JSON goes.", callback=result_file)] = Path(
        "runs/loop/report.json"
    ),
    page: Annotated[Path, typer.Option(help="Folder of the page and its figures.")] = Path("runs/loop"),
) -> None:
    """ErrorCorrelation of active learning, work per case and week, learning curves with a forecast: JSON and a page."""
    from sam_infer.home import default_home
    from sam_infer.weights.available import require_known
    from samlabel.store.open import identified

    require_known(model)
    about = identified(studies, default_home())
    from sam_trainer.active.report import LoopReport
    from sam_trainer.reports.record import Report, command_line

    started, found = time.time(), LoopReport.of(about, model)
    Report(command_line(), 0, found.rows(), started, found.facts()).write(out)
    written = found.page(studies).write(page, out.stem)
    typer.echo(found.worth.sentence)
    for row in found.structures():
        typer.echo(f"{row['structure']}: Dice {row['dice']:.3f} after {row['cases']} cases; {row['forecast']}")
    for row in found.between_readers():
        typer.echo(
            f"{row['label']}: readers agree by a Dice of {row['dice']:.3f} on {row['cases']} cases that several read"
        )
    typer.echo(found.next_step(studies))
    typer.echo(f"wrote {out} and {written}")


@app.command()
def measure(
    studies: Where,
    model: Model = AppConfig.model,
    draws: Annotated[int, typer.Option(min=1, max=20, help="Pairs of trainings.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Of each.")] = 4,
    seed: Annotated[int, typer.Option(help="Everything random depends on it.")] = 0,
) -> None:
    """Teach networks by chosen and by drawn cases, let both answer held-out ones, and keep what it says."""
    from sam_infer.home import default_home
    from sam_infer.weights.available import require_added
    from samlabel.store.open import identified

    require_added(model)
    identified(studies, default_home())
    from sam_infer.models.load import load_network
    from sam_trainer.active.benefit import Comparison
    from sam_trainer.active.served import ServedCases, loop_folder
    from sam_trainer.config import TrainConfig
    from samlabel.loop.accepted_labels import accepted_labels
    from samlabel.loop.stopping import stopping

    train = TrainConfig(model=model, method="decoder", epochs=epochs, patience=epochs, semantic_images=0)
    with telling("comparing"), offline(studies, model=model) as app, stopping() as should_stop:
        accepted = accepted_labels(app.store, app.studies, app.names)
        comparison = Comparison(load_network(model), train, default_home(), draws, seed, should_stop)
        found = comparison.measure(accepted, ServedCases.of(app.studies).arms())
        if not should_stop():
            found.write(loop_folder(app.studies))
    typer.echo(found.sentence)


@contextmanager
def offline(named: str, **conf: str | None) -> Iterator[Offline]:
    """What `--studies` names, opened for a command; a wrong name is refused before torch is loaded."""
    from sam_infer.home import default_home
    from samlabel.store.open import identified, opened, usual_labels

    identified(named, default_home())
    if not conf.get("labels"):
        conf["labels"] = ",".join(usual_labels(named)) or None
    from samlabel.offline.project import Offline

    with opened(named, default_home(), share=True) as studies:
        yield Offline(studies, **conf)
