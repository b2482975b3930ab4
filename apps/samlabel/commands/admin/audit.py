"""`samlabel audit`: show, verify and export the audit trail of this machine's server.

Exit code 0: done, and for `verify` that the trail is whole; 1: refused, or something is wrong with the trail.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from sam_infer.audit.line import EXPORTED, Deed, Line
from sam_infer.audit.trail import Trail
from sam_infer.audit.verify import Anchor, verify_export, verify_trail
from sam_infer.files import write_whole
from sam_infer.home import HOME_VARIABLE
from samlabel.errors import ConfigError
from samlabel.offline.tables import print_table

app = typer.Typer(help="Show, verify and export the audit trail.", no_args_is_help=True)

Home = Annotated[
    Path | None,
    typer.Option(envvar=HOME_VARIABLE, help="Folder of the server's state (default: ~/.local/share/samlabel)."),
]
SHOWN = 12  # digits of a hash


@app.command()
def show(
    last: Annotated[int, typer.Option(min=1, help="So many of the newest lines.")] = 50,
    who: Annotated[str | None, typer.Option(help="Only what this person or token did.")] = None,
    what: Annotated[str | None, typer.Option(help="Only this, e.g. 'label accepted'; a part of it is enough.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only what was done to this case, adapter or account.")] = None,
    home: Home = None,
) -> None:
    """Who did what and when, the newest last."""
    found = [line for line in Trail.of(home).lines() if _wanted(line, who, what, subject)]
    if not found:
        typer.echo("nothing of the kind is in the audit trail")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("line", "when", "who", "from", "what", "subject", "content", "how"):
        table.add_column(column, overflow="fold")
    for line in found[-last:]:
        told = (line.who, line.whence, line.what, line.subject, line.content[:SHOWN], line.how)
        table.add_row(str(line.number), line.when[:19], *(escape(cell) for cell in told))
    print_table(table)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="A file that `audit export` wrote (default: the trail).")] = None,
    head: Annotated[
        list[str] | None, typer.Option(help="A head that was kept elsewhere, NUMBER:HASH; may be repeated.")
    ] = None,
    home: Home = None,
) -> None:
    """Find lines that were deleted, changed or swapped, and a tail that was cut off."""
    kept = [Anchor.kept(text) for text in head or []]
    if file is not None and not file.is_file():
        raise ConfigError(f"{file} is not there: give a file that `samlabel audit export` wrote", "file")
    found = verify_trail(Trail.of(home), kept) if file is None else verify_export(file, kept)
    for fault in found.faults:
        typer.secho(fault, fg="red", err=True)
    if found.faults:
        typer.echo(f"the trail is not as it was written; {found.lines} of its lines are sound", err=True)
        raise typer.Exit(1)
    typer.echo(f"{found.lines} lines are as they were written; the head is {found.last}")


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="A file that does not exist yet.")],
    home: Home = None,
) -> None:
    """Write every line into one file, and say the head: keep that where this machine's users cannot write."""
    if out.exists():
        raise ConfigError(f"{out} exists already: give the name of a new file", "out")
    trail = Trail.of(home)
    line = trail.add(Deed(EXPORTED, "audit trail"))  # the last one of the file
    until = line.written()
    content = b"".join(path.read_bytes() for path in trail.files())
    write_whole(out, content[: content.rindex(until) + len(until)])
    typer.echo(f"wrote {line.number} lines to {out}")
    typer.echo(f"head: {line.number}:{line.hash}")


def _wanted(line: Line, who: str | None, what: str | None, subject: str | None) -> bool:
    return (
        (who is None or line.who == who)
        and (what is None or what in line.what)
        and (subject is None or line.subject == subject)
    )
