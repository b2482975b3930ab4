"""`samlabel tokens`: what programs log in with; a token is shown once and kept as a hash.

Exit code 0: done; 1: refused, with one sentence on why and what to do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sam_infer.home import HOME_VARIABLE
from samlabel.access.tokens import TokenStore
from samlabel.errors import ConfigError

app = typer.Typer(help="Add, list and revoke tokens that programs log in with.", no_args_is_help=True)

# The roles of people, and one that may read /metrics and nothing else.
ROLES = ("annotator", "reviewer", "lead", "admin", "metrics")

Home = Annotated[
    Path | None,
    typer.Option(envvar=HOME_VARIABLE, help="Folder of the server's state (default: ~/.local/share/samlabel)."),
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called, in the list and in the audit trail.")],
    role: Annotated[str, typer.Option(help=f"What it may do: {', '.join(ROLES)}.")] = ROLES[0],
    days: Annotated[int | None, typer.Option(min=1, help="How long it lasts (default: until it is revoked).")] = None,
    home: Home = None,
) -> None:
    """Make a token; it is printed once, and nobody can find it out again."""
    if role not in ROLES:
        raise ConfigError(f"--role must be one of {', '.join(ROLES)}, got {role!r}", "role")
    secret = TokenStore(home).add(name, role, days)
    typer.echo(f"{name} may log in with this token as {role}; it is shown once:", err=True)
    typer.echo(secret)


@app.command("list")
def list_tokens(home: Home = None) -> None:
    """Every token that was ever made, without the token itself."""
    found, now = TokenStore(home).tokens(), datetime.now(UTC)
    if not found:
        typer.echo("no token was made here yet")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "role", "state", "made", "ends"):
        table.add_column(column, overflow="fold")
    for token in found:
        table.add_row(token.name, token.role, token.state(now), token.made[:16], (token.ends or "never")[:16])
    Console().print(table)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Whose token lets nobody in any more.")], home: Home = None
) -> None:
    """Take a token back, from the next request on."""
    TokenStore(home).revoke(name)
    typer.echo(f"the token {name} lets nobody in any more")
