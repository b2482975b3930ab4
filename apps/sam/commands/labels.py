"""`samlabel labels`: every label that was accepted, and taking one back.

Exit code 0: done; 1: refused, with one sentence on why and what to do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sam_infer.adapter import SHOWN_DIGITS
from sam_infer.model_store import HOME_VARIABLE
from sam_trainer.ledger import Ledger, Record

app = typer.Typer(help="List accepted labels, withdraw one.", no_args_is_help=True)

Studies = Annotated[str, typer.Option(help="The studies folder or DICOMweb address that they belong to.")]
Home = Annotated[
    Path | None,
    typer.Option(envvar=HOME_VARIABLE, help="Folder of models and caches [default: ~/.local/share/samlabel]."),
]


@app.command("list")
def list_labels(studies: Studies, home: Home = None) -> None:
    """Every event of every label, the oldest first."""
    records = Ledger.of(studies, home).records()
    if not records:
        typer.echo("no label was accepted here yet")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("case", "version", "event", "when", "reader", "model", "adapter", "label"):
        table.add_column(column, overflow="fold")
    for record in records:
        table.add_row(*(escape(cell) for cell in _cells(record)))
    Console().print(table)


@app.command()
def withdraw(
    case: Annotated[str, typer.Argument(help="Whose label must not teach any more.")],
    studies: Studies, home: Home = None,
    why: Annotated[str, typer.Option(help="Kept in the ledger.")] = "",
) -> None:  # fmt: skip
    """Take a case's label back: the next training does without it, until another label is accepted."""
    record = Ledger.of(studies, home).withdraw(case, {"why": why} if why else {})
    typer.echo(f"version {record.version} of {case} is withdrawn; adapters that learned from it name it in their cases")


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
