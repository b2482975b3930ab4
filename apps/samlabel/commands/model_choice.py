"""`samlabel models choose`, `chosen` and `use`: which of several models answers which label of some studies.

Exit code 0: done, or there was nothing to do; 1: refused, with one sentence on why and what to do.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from sam_infer.serving.activity import step_aside
from samlabel.commands.cli import STUDIES
from samlabel.commands.loop import offline
from samlabel.config import AUTO_MODEL
from samlabel.offline.tables import print_table
from samlabel.offline.telling import Status, telling

if TYPE_CHECKING:
    from sam_trainer.judging.model_gate import Compared
    from samlabel.loop.model_by_label import ModelByLabel
    from samlabel.offline.project import Offline

Where = Annotated[str, typer.Option(help=STUDIES)]
Models = Annotated[str | None, typer.Option(help="Comma-separated, the main one first (default: all that were added).")]
Labels = Annotated[str | None, typer.Option(help="Comma-separated names (default: the studies' dataset.json).")]


def choose(
    studies: Where,
    models: Models = None,
    labels: Labels = None,
    force: Annotated[bool, typer.Option("--force", help="Compare again what is up to date.")] = False,
) -> None:
    """Compare models on accepted cases, and have each label answered by the one that needs fewest clicks."""
    step_aside()  # a server on this machine comes first
    with offline(studies, model=AUTO_MODEL, models=models, labels=labels) as app, telling("loading the models") as told:
        asked = count(1)

        def pause() -> None:
            told(Status(f"comparing models, object {next(asked)}"))

        rows = _choice(app).compare(app.serving, pause, again=force)
        names = app.config.models
    if rows:
        print_table(_compared(rows))
    else:
        typer.echo(f"nothing has changed since {', '.join(names)} were compared (--force compares again)")


def chosen(studies: Where, models: Models = None, labels: Labels = None) -> None:
    """Show which model answers which label, and why."""
    with offline(studies, model=AUTO_MODEL, models=models, labels=labels) as app:
        choices, main = _choice(app).table.choices, app.config.model
    table = Table("label", "modality", "model", "why", "since", box=None, pad_edge=False)
    for one in choices:
        table.add_row(escape(one.label), one.modality, one.model, escape(one.why), one.when)
    if choices:
        print_table(table)
    typer.echo(f"{main} answers all other labels")


def use(
    model: Annotated[str, typer.Argument(help="Which model.")],
    studies: Where,
    label: Annotated[str, typer.Option(help="The label that it answers.")],
    modality: Annotated[str, typer.Option(help="Of images of this modality, as `choose` prints it: CT, MR, OTHER ...")],
    models: Models = None,
    labels: Labels = None,
) -> None:
    """Have a model answer a label from the next click on, whatever was measured."""
    with offline(studies, model=AUTO_MODEL, models=models, labels=labels) as app:
        choice = _choice(app).use(model, label, modality)
    typer.echo(f"{choice.model} answers {choice.label} on {choice.modality}")


def _choice(app: Offline) -> ModelByLabel:
    from samlabel.loop.model_by_label import ModelByLabel
    from samlabel.loop.study_cases import StudyCases

    return ModelByLabel(StudyCases(app.store, app.studies, app.names), app.config)


def _compared(rows: list[Compared]) -> Table:
    table = Table("label", "modality", "model", "clicks saved", "answers", box=None, pad_edge=False)
    for row in rows:
        answers = f"{row.model} from now on" if row.chosen else row.serves
        table.add_row(escape(row.label), row.modality, row.model, escape(row.sentence), answers)
    return table
