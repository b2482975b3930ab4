"""`samlabel tokens`: what programs log in with; a token is shown once and kept as a hash.

Exit code 0: done; 1: refused, with one sentence on why and what to do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from sam_infer.audit.trail import Trail
from sam_infer.home import HOME_VARIABLE, default_home
from samlabel.logins.login_service import FOLDER
from samlabel.logins.person import ANNOTATOR, ROLES
from samlabel.logins.tokens import TokenStore
from samlabel.offline.tables import print_table

app = typer.Typer(help="Add, list and revoke tokens that programs log in with.", no_args_is_help=True)

Home = Annotated[
    Path | None,
    typer.Option(envvar=HOME_VARIABLE, help="Folder of the server's state (default: ~/.local/share/samlabel)."),
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is called, in the list and in the audit trail.")],
    role: Annotated[str, typer.Option(help=f"What it may do: {', '.join(ROLES)}; machine reads /metrics.")] = ANNOTATOR,
    days: Annotated[int | None, typer.Option(min=1, help="How long it lasts (default: until it is revoked).")] = None,
    project: Annotated[
        list[str] | None, typer.Option(help="A project whose cases it sees, besides those of none; may be repeated.")
    ] = None,
    home: Home = None,
) -> None:
    """Make a token; it is printed once, and nobody can find it out again."""
    secret = _store(home).add(name, role, days, project or ())
    typer.echo(f"{name} may log in with this token as {role}; it is shown once:", err=True)
    typer.echo(secret)


@app.command("list")
def list_tokens(home: Home = None) -> None:
    """Every token that was ever made, without the token itself."""
    found, now = _store(home).all(), datetime.now(UTC)
    if not found:
        typer.echo("no token was made here yet")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("name", "role", "state", "made", "ends"):
        table.add_column(column, overflow="fold")
    for token in found:
        table.add_row(token.name, token.role, token.state(now), token.made[:16], (token.ends or "never")[:16])
    print_table(table)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="Whose token lets nobody in any more.")], home: Home = None
) -> None:
    """Take a token back, from the next request on."""
    _store(home).revoke(name)
    typer.echo(f"the token {name} lets nobody in any more")


def _store(home: Path | None) -> TokenStore:
    return TokenStore((home or default_home()) / FOLDER, Trail.of(home))
