"""A table on the console: fitted to a terminal, one line a row in a file or a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

UNBROKEN = 1000  # columns of where nobody looks at the width


def print_table(table: Table) -> None:
    """Print it; what reads a pipe gets names whole, as nothing is folded there."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=UNBROKEN)
    console.print(table)
