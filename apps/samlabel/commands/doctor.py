"""`samlabel doctor`: what is installed, what works, and how to cure what does not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from samlabel.offline import checks
from samlabel.offline.outputs import result_file
from samlabel.offline.tables import print_table


def doctor(
    studies: Annotated[str | None, typer.Option(help="Also look at a studies folder or a DICOMweb address.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the findings as JSON.", callback=result_file)] = None,
) -> None:
    """Check the installation. Exit code 1 when something needs a cure."""
    from sam_infer.home import default_home  # imports torch

    found = list(examine(default_home(), studies))
    _show(found)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"command": "doctor", "rows": [asdict(check) for check in found]}, indent=1))
    if not all(check.ok for check in found):
        raise typer.Exit(1)


def examine(home: Path, studies: str | None) -> Iterator[checks.Check]:
    """Every check, cheap ones first."""
    yield checks.python()
    yield from checks.packages()
    yield checks.openvino()
    yield checks.torch_pair()
    yield checks.gpu()
    yield checks.disk(home)
    yield from checks.models(home)
    yield from checks.adapters(home)
    yield checks.viewer()
    yield checks.orientation()
    if studies is not None:
        yield checks.studies(studies)


def _show(found: list[checks.Check]) -> None:
    table = Table("", "check", "found", "cure", box=None, pad_edge=False)
    for check in found:
        mark = "[green]ok[/green]" if check.ok else "[red]no[/red]"
        table.add_row(mark, escape(check.name), escape(check.found), "" if check.ok else escape(check.cure))
    console = Console()
    print_table(table)
    bad = sum(not check.ok for check in found)
    console.print(f"{len(found) - bad} of {len(found)} checks passed", style="red" if bad else "green")
