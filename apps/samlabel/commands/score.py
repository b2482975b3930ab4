"""`samlabel score` and `samlabel next`: active learning without a server.

Exit code 0: done, or there was nothing to do; 1: refused, or a case failed, with one sentence on why and what to do.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer
from rich.console import Console

from sam_trainer.studies import Studies
from samlabel.config import AppConfig

BEHIND_CLICKS = 10

Where = Annotated[
    Studies, typer.Option(parser=Studies.of, metavar="TEXT", help="A studies folder or a DICOMweb address.")
]
Model = Annotated[str, typer.Option(help="Which network; see `samlabel models list`.")]
Adapter = Annotated[str, typer.Option(help="latest, none, or an adapter's id.")]
Labels = Annotated[str | None, typer.Option(help="Comma-separated names [default: the studies' dataset.json].")]


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
    from sam_infer.serving.activity import Activity
    from samlabel.loop.stopping import stopping
    from samlabel.offline.project import Offline

    os.nice(max(0, BEHIND_CLICKS - os.nice(0)))  # a server on this machine comes first
    app, activity = Offline(studies, model=model, adapter=adapter, labels=labels), Activity()
    with stopping() as should_stop:
        found = app.scoring(measure).run(lambda: activity.wait(should_stop), should_stop, force=force, most=most)
    for case, sentence in found.failed.items():
        Console(stderr=True).print(f"[red]{case}[/red]: {sentence}")
    typer.echo(found.sentence)
    if found.failed:
        raise typer.Exit(1)


def next_case(
    studies: Where,
    model: Model = AppConfig.model,
    adapter: Adapter = AppConfig.adapter,
    labels: Labels = None,
    strategy: Annotated[str, typer.Option(help="How to choose; a wrong name lists them.")] = AppConfig.random_is,
    count: Annotated[int, typer.Option(min=1, help="How many cases.")] = 1,
) -> None:
    """Say which case to label next, and why; nobody is sent there and no lease is taken."""
    from sam_trainer.active.offer import Wish
    from sam_trainer.active.strategies import checked_strategy
    from samlabel.access.identity import LOCAL
    from samlabel.offline.project import Offline

    checked_strategy(strategy)
    app = Offline(studies, model=model, adapter=adapter, labels=labels)
    taken: set[str] = set()
    for number in range(count):
        wish = Wish(strategy, LOCAL, number)
        found = app.selection.next(wish, set(app.store.get_unlabeled_images()) - taken)
        if found is None:
            typer.echo("no case without a label is left")
            return
        taken.add(found.case)
        slices = f"; look first at slices {', '.join(map(str, found.slices[:3]))}" if found.slices else ""
        typer.echo(f"{found.case}: {found.reason}{slices}")
