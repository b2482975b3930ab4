"""`samlabel viewer`: which OHIF is served: the one of monailabel's wheel, or one that was added as a package of npm.

Exit code 0: done; 1: refused, with one sentence on why and what to do; 2: the command line is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sam_infer.errors import SamError
from sam_infer.home import HOME_VARIABLE
from samlabel.offline.tables import print_table
from samlabel.viewer.installed import BUILTIN, InstalledViewer, ViewerStore

app = typer.Typer(help="Serve a newer OHIF than the one that comes with MONAI Label.", no_args_is_help=True)

Home = Annotated[
    Path | None,
    typer.Option(envvar=HOME_VARIABLE, help="Folder of models, viewers and caches (default: ~/.local/share/samlabel)."),
]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="What `npm pack @ohif/app` has fetched.")],
    integrity: Annotated[
        str | None, typer.Option(help="What its hash must be: sha512-..., or the sha1 in hex, as npm states it.")
    ] = None,
    home: Home = None,
) -> None:
    """Check a package of OHIF, unpack it and serve it."""
    with _errors():
        added = ViewerStore(home).add(file, integrity)
    _say(
        f"OHIF {added.version} added and served: {added.files} files, {added.unpacked_bytes >> 20} MB; {_tried(added)}"
    )
    _say(f"integrity {added.integrity}")
    _say(f"shasum {added.shasum}")
    if not added.is_tried and integrity is None:
        _say(f"compare with `npm view @ohif/app@{added.version} dist`")


@app.command("list")
def list_viewers(home: Home = None) -> None:
    """Every viewer that is here, and which one is served."""
    store = ViewerStore(home)
    table = Table(box=None, pad_edge=False)
    for column in ("viewer", "served", "from"):
        table.add_column(column, overflow="fold")
    served = store.served()
    table.add_row(BUILTIN, "yes" if served == BUILTIN else "", "the wheel of monailabel")
    for viewer in store.viewers():
        table.add_row(viewer.version, "yes" if served == viewer.version else "", f"@ohif/app, {_tried(viewer)}")
    print_table(table)
    _say(f"viewers are kept in {store.folder}")


@app.command()
def use(
    version: Annotated[str, typer.Argument(help=f"A version that was added, or `{BUILTIN}`.")],
    home: Home = None,
) -> None:
    """Serve another viewer; a running server follows with the next page that is opened."""
    with _errors():
        ViewerStore(home).use(version)
    _say(f"{version} is served")


def _tried(viewer: InstalledViewer) -> str:
    return "as published, tried with this server" if viewer.is_tried else "not tried with this server"


def _say(text: str) -> None:
    Console().print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except SamError as error:
        Console(stderr=True).print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
