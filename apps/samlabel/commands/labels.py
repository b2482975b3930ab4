"""`samlabel labels`: list, show, release, withdraw, adjudicate and export accepted labels; look at those in quarantine.

Exit code 0: done; 1: refused, with one sentence on why and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from sam_infer.audit.actor import person
from sam_infer.audit.line import EXPORTED, Deed
from sam_infer.audit.trail import Trail
from sam_infer.home import HOME_VARIABLE, default_home
from sam_infer.weights.available import SHOWN_DIGITS
from sam_trainer.labels.ledger import Ledger, Record
from samlabel.commands.cli import STUDIES
from samlabel.errors import ConfigError
from samlabel.offline.tables import print_table
from samlabel.wire import label_facts

app = typer.Typer(help="List and show accepted labels; release, withdraw and export them.", no_args_is_help=True)

Where = Annotated[str, typer.Option(help=STUDIES)]
Home = Annotated[
    Path | None,
    typer.Option(envvar=HOME_VARIABLE, help="Folder of models and caches (default: ~/.local/share/samlabel)."),
]


@app.command("list")
def list_labels(studies: Where, home: Home = None) -> None:
    """Every event of every label, the oldest first; why some are in quarantine."""
    ledger = _ledger(studies, home)
    records = ledger.records()
    if not records:
        typer.echo("no label was accepted here yet")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("case", "version", "event", "when", "reader", "model", "adapter", "label"):
        table.add_column(column, overflow="fold")
    for record in records:
        table.add_row(*(escape(cell) for cell in _cells(record)))
    print_table(table)
    for case, held in sorted(ledger.quarantine().items()):
        for doubt in held.doubts:
            typer.echo(f"{case} is in quarantine ({doubt['reason']}): {doubt['sentence']}")


@app.command()
def show(case: Annotated[str, typer.Argument(help="Whose label.")], studies: Where, home: Home = None) -> None:
    """Everything that happened to a case's label, as JSON."""
    typer.echo(json.dumps(label_facts.details(_ledger(studies, home), case), indent=1))


@app.command()
def release(
    case: Annotated[str, typer.Argument(help="Whose label is good in spite of the doubts.")],
    studies: Where,
    home: Home = None,
    why: Annotated[str, typer.Option(help="Kept in the ledger.")] = "",
) -> None:
    """Let a label in quarantine teach and judge from the next training on."""
    record = _ledger(studies, home).release(case, {"released_by": person(), "why": why})
    typer.echo(f"version {record.version} of {case} counts from the next training on")


@app.command()
def withdraw(
    case: Annotated[str, typer.Argument(help="Whose label must not teach any more.")],
    studies: Where,
    home: Home = None,
    why: Annotated[str, typer.Option(help="Kept in the ledger.")] = "",
) -> None:
    """Take a case's label back: the next training does without it, until another label is accepted."""
    record = _ledger(studies, home).withdraw(case, {"why": why} if why else {})
    typer.echo(f"version {record.version} of {case} is withdrawn; adapters that learned from it name it in their cases")


@app.command()
def adjudicate(  # noqa: PLR0913 - every parameter is an option of the command
    case: Annotated[str, typer.Argument(help="Which case several readers marked.")],
    studies: Where,
    choice: Annotated[
        str | None,
        typer.Option(help="A version, majority, staple, or drawn with --label; without it the readings are shown."),
    ] = None,
    label: Annotated[Path | None, typer.Option(help="A label map of one's own, for --choice drawn.")] = None,
    names: Annotated[str, typer.Option(help="What its values 1, 2, ... are called, comma-separated.")] = "",
    difference: Annotated[
        Path | None, typer.Option(help="Write where the newest two differ: 1 the same, 2 and 3 one alone, 4 others.")
    ] = None,
    why: Annotated[str, typer.Option(help="Kept in the ledger.")] = "",
) -> None:
    """Show what several readers marked and how far they agree; with --choice decide, and make it the case's label."""
    from sam_infer.imaging.image_file import write_mask
    from samlabel.access.identity import acting_as
    from samlabel.loop.adjudication import DIFFERENCE, Adjudication, Decision, Drawn
    from samlabel.store.open import identified

    about = Adjudication(Ledger.of(identified(studies, default_home())), case)
    told = about.facts()
    for line in label_facts.between_readers(told):
        typer.echo(line)
    if difference is not None:
        typer.echo(f"wrote {write_mask(about.shown(DIFFERENCE)[0], difference)}")
    if choice is None:
        return
    listed = [{"name": name.strip()} for name in names.split(",") if name.strip()]
    drawn = None if label is None else Drawn(label, {"label_info": listed})
    from samlabel.commands.loop import offline

    with offline(studies) as found, acting_as(person()):
        record = about.decide(found.store, Decision(choice, why, drawn))
    typer.echo(f"version {record.version} of {case} is decided; it counts from the next training on")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    studies: Where,
    form: Annotated[str, typer.Option("--format", help="datalist (MONAI) or nnunet (nnU-Net v2, raw).")] = "datalist",
) -> None:
    """Write labels that count, their images and the split for another tool."""
    from samlabel.store.open import identified, opened

    identified(studies, default_home())  # before torch is loaded
    from sam_trainer.labels.export.datalist import Datalist
    from sam_trainer.labels.export.nnunet import NnUnetRaw
    from sam_trainer.labels.export.write import ExportFormat
    from sam_trainer.labels.export.write import export as write
    from sam_trainer.labels.round import HELD_OUT, TRAIN, VALIDATION
    from samlabel.loop.counted_labels import counting_labels

    layouts: dict[str, Callable[[], ExportFormat]] = {"datalist": Datalist, "nnunet": NnUnetRaw}
    if form not in layouts:
        raise ConfigError(f"--format must be one of {', '.join(layouts)}, got {form!r}", "format")
    with opened(studies, default_home(), share=True) as found:
        labels = counting_labels(found)
        copies = sorted(entry.case.label.name for entry in labels)  # called by their content
        content = sha256("\n".join(copies).encode()).hexdigest()
        Trail.of().add(Deed(EXPORTED, f"{len(labels)} labels", content, form))
        exported = write(labels, layouts[form](), out)
    for sentence in exported.left_out:
        typer.echo(sentence, err=True)
    for case, names in exported.incomplete.items():
        typer.echo(f"{case} does not name {', '.join(names)}: other tools will read that as background", err=True)
    counts = {part: len(exported.of(part)) for part in (TRAIN, VALIDATION, HELD_OUT)}
    shown = ", ".join(f"{count} {part.replace('_', ' ')}" for part, count in counts.items())
    typer.echo(f"wrote {len(exported.cases)} cases ({shown}) with {', '.join(exported.labels)} to {out}")


def _ledger(studies: str, home: Path | None) -> Ledger:
    """The ledger of what `--studies` names; a folder that does not exist has none."""
    from samlabel.store.open import identified

    return Ledger.of(identified(studies, home or default_home()), home)


def _cells(record: Record) -> tuple[str, ...]:
    facts = record.facts
    told = (str(facts.get("reader", "")), str(facts.get("model", "")), str(facts.get("adapter", ""))[:SHOWN_DIGITS])
    return (
        record.case,
        str(record.version),
        record.event,
        record.when[:16],
        *told,
        record.label_sha256[:SHOWN_DIGITS],
    )
