"""`samlabel users`: the people who may log in to this machine's server.

A password is asked twice and not shown; without a terminal it is read from standard input, twice as well, one per line.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.table import Table

from sam_infer.home import default_home
from samlabel.errors import ConfigError
from samlabel.logins.accounts import Accounts
from samlabel.logins.login_service import FOLDER
from samlabel.logins.person import ANNOTATOR, FOR_PEOPLE
from samlabel.offline.tables import print_table

app = typer.Typer(help="Who may log in to this machine's server.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The name to log in with.")]
Role = Annotated[str, typer.Option(help=f"One of {', '.join(FOR_PEOPLE)}; each may do what those before it may.")]


@app.command()
def add(name: Name, role: Role = ANNOTATOR) -> None:
    """Make an account; its password comes from the terminal or from standard input, twice."""
    accounts = _accounts()
    accounts.require_new(name, role)
    account = accounts.add(name, role, _password())
    typer.echo(f"{account.name} may log in as {account.role}")


@app.command("list")
def list_accounts() -> None:
    """Every account and its role."""
    table = Table("name", "role", "projects", "state", box=None)
    for account in _accounts().all():
        table.add_row(account.name, account.role, ", ".join(account.projects), "disabled" if account.disabled else "")
    print_table(table)


@app.command()
def passwd(name: Name) -> None:
    """Another password; who is logged in with the old one is logged out."""
    accounts = _accounts()
    accounts.require(name)
    accounts.set_password(name, _password())
    typer.echo(f"{name} has another password")


@app.command()
def role(name: Name, role: Annotated[str, typer.Argument(help=f"One of {', '.join(FOR_PEOPLE)}.")]) -> None:
    """Another role, from the next request on."""
    _accounts().set_role(name, role)
    typer.echo(f"{name} is {role} from now on")


@app.command()
def disable(
    name: Name, undo: Annotated[bool, typer.Option("--undo", help="Let a disabled account in again.")] = False
) -> None:
    """Shut an account: who is logged in with it is out with the next request. Its name stays taken."""
    _accounts().set_disabled(name, not undo)
    typer.echo(f"{name} may log in again" if undo else f"{name} may not log in any more")


def _accounts() -> Accounts:
    return Accounts(default_home() / FOLDER)


def _password() -> str:
    """The same password, given twice."""
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt="The same again"))
    lines = [sys.stdin.readline().rstrip("\r\n") for _ in range(2)]
    if lines[0] != lines[1]:
        raise ConfigError(
            "standard input must hold the password twice, one per line, and the two lines differ", "password"
        )
    return lines[0]
