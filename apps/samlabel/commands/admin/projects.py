"""`samlabel projects`: which cases belong to which project, and whose projects those are."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from sam_infer.home import default_home
from samlabel.errors import NotFoundError
from samlabel.logins.accounts import Accounts
from samlabel.logins.login_service import FOLDER
from samlabel.logins.projects import ProjectFilter, Projects
from samlabel.offline.tables import print_table

app = typer.Typer(help="Parts of the studies, and which annotators see them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The project's name.")]
Patterns = list[str] | None


@app.command("set")
def set_project(
    name: Name,
    patient: Annotated[Patterns, typer.Option(help="Pattern of patients' ids, or of files' names: 'STUDY7-*'.")] = None,
    description: Annotated[Patterns, typer.Option(help="Pattern of series' and study's description.")] = None,
    modality: Annotated[Patterns, typer.Option(help="CT, MR, ...")] = None,
    label: Annotated[Patterns, typer.Option(help="One of the server's labels that this project is about.")] = None,
) -> None:
    """Make a project or change it; options may be repeated, and a case must fit one of each kind that is given."""
    given = (tuple(patterns or ()) for patterns in (patient, description, modality, label))
    _projects().set(ProjectFilter(name, *given))
    typer.echo(f"{name}: its cases are seen by those who are in it, and by reviewers, leads and administrators")


@app.command("list")
def list_projects() -> None:
    """Every project, and who is in it."""
    table = Table("name", "patients", "descriptions", "modalities", "labels", "people", box=None)
    people = Accounts(default_home() / FOLDER).all()
    for project in _projects().all():
        criteria = (project.patients, project.descriptions, project.modalities, project.labels)
        within = [account.name for account in people if project.name in account.projects]
        table.add_row(project.name, *(", ".join(each) for each in (*criteria, within)))
    print_table(table)


@app.command()
def remove(name: Name) -> None:
    """Dissolve a project: its cases are everybody's from the next request on."""
    _projects().remove(name)
    typer.echo(f"{name} is no project any more")


@app.command()
def assign(
    person: Annotated[str, typer.Argument(help="The name of an account.")],
    projects: Annotated[Patterns, typer.Argument(help="All of this person's projects; without any: none.")] = None,
) -> None:
    """Say which projects somebody is in."""
    known, wanted = {project.name for project in _projects().all()}, tuple(projects or ())
    for name in wanted:
        if name not in known:
            raise NotFoundError(f"there is no project {name!r}; 'samlabel projects list' shows them", "name")
    Accounts(default_home() / FOLDER).set_projects(person, wanted)
    typer.echo(f"{person} is in {', '.join(wanted) or 'no project'}")


def _projects() -> Projects:
    return Projects(default_home() / FOLDER)
