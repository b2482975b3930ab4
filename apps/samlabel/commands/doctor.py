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

from samlabel.offline import checks as health


def doctor(
    studies: Annotated[str | None, typer.Option(help="Also look at a studies folder or a DICOMweb address.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the findings as JSON.")] = None,
) -> None:
    """Check the installation. Exit code 1 when something needs a cure."""
    from sam_infer.home import default_home  # imports torch

    checks = list(examine(default_home(), studies))
    _show(checks)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"command": "doctor", "rows": [asdict(check) for check in checks]}, indent=1))
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def examine(home: Path, studies: str | None) -> Iterator[health.Check]:
    """Every check, cheap ones first."""
    yield health.python()
    yield from health.packages()
    yield health.torch_pair()
    yield health.gpu()
    yield health.disk(home)
    yield from health.models(home)
    yield from health.adapters(home)
    yield health.viewer()
    yield health.orientation()
    if studies is not None:
        yield health.studies(studies)


def _show(checks: list[health.Check]) -> None:
    table = Table("", "check", "found", "cure", box=None, pad_edge=False)
    for check in checks:
        mark = "[green]ok[/green]" if check.ok else "[red]no[/red]"
        table.add_row(mark, escape(check.name), escape(check.found), "" if check.ok else escape(check.cure))
    console = Console()
    console.print(table)
    bad = sum(not check.ok for check in checks)
    console.print(f"{len(checks) - bad} of {len(checks)} checks passed", style="red" if bad else "green")
