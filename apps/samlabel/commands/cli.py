"""Command-line entry point with lazy imports: a command's module is imported when it is called, help comes at once.

Exit code 0: done; 1: refused or failed, with one sentence on why and what to do; 2: the command line is wrong.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from sam_infer.errors import SamError
from samlabel.host.logs import route_structlog
from samlabel.offline.telling import telling

# What every `--studies` takes, as its help says it.
STUDIES = "A folder of images or DICOM files, a DICOMweb address, demo or demo-files."

# Name: module, function or Typer app in it, one line of help. A new command is a new line.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "serve": ("samlabel.commands.serve", "serve", "Serve a studies folder or a DICOMweb archive to OHIF and Slicer."),
    "predict": ("samlabel.commands.predict", "predict", "Segment one object of an image file, without a server."),
    "say": ("samlabel.commands.say", "say", "Segment and correct an object by commands in words, without a server."),
    "models": ("samlabel.commands.models", "app", "List, add, download, verify and compare models."),
    "doctor": ("samlabel.commands.doctor", "doctor", "Check this installation; every failure comes with its cure."),
    "pretrain": ("samlabel.commands.pretrain", "pretrain", "Train the embedded model on procedural scans."),
    "pretrain-tracker": (
        "samlabel.commands.pretrain",
        "pretrain_tracker",
        "Train what follows objects from slice to slice.",
    ),
    "renew": ("samlabel.commands.pretrain", "renew", "Embed trained weights; train again what depends on them."),
    "pretrain-ranker": ("samlabel.commands.pretrain", "pretrain_ranker", "Train the choice of what one click means."),
    "pretrain-round-prior": (
        "samlabel.commands.pretrain",
        "pretrain_round_prior",
        "Train how far boxes hold round things.",
    ),
    "train": ("samlabel.commands.train", "train", "Learn from accepted labels, without a server."),
    "adapters": ("samlabel.commands.adapters", "app", "List and show what was learned; choose what serves."),
    "labels": ("samlabel.commands.labels", "app", "List and show accepted labels; release, withdraw and export them."),
    "tokens": ("samlabel.commands.admin.tokens", "app", "Add, list and revoke tokens that programs log in with."),
    "audit": ("samlabel.commands.admin.audit", "app", "Show, verify and export the audit trail."),
    "score": ("samlabel.commands.loop", "score", "Say how much every case without a label is worth one."),
    "precompute": (
        "samlabel.commands.precompute",
        "precompute",
        "Encode every slice of a store before anybody clicks.",
    ),
    "next": ("samlabel.commands.loop", "next_case", "Say which case to label next, and why."),
    "loop": ("samlabel.commands.loop", "app", "Say whether the learning loop pays."),
    "users": ("samlabel.commands.admin.users", "app", "Say who may log in, and as what."),
    "projects": ("samlabel.commands.admin.projects", "app", "Say which cases are whose."),
    "viewer": ("samlabel.commands.admin.viewer", "app", "Serve a newer OHIF than the one that comes with MONAI Label."),
    "bench": ("samlabel.commands.bench", "app", "Measure a model on labelled studies."),
}


class LazyGroup(TyperGroup):
    """A group that shows all commands and imports the one that is called."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The called command, loaded."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name in COMMANDS else command, rest


def load(name: str) -> Any:
    """The real command behind a name."""
    module, attribute, _ = COMMANDS[name]
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    single = typer.Typer(add_completion=False)
    single.command(name)(found)
    return typer.main.get_command(single)


def _stand_in() -> Callable[[], None]:
    def stand_in() -> None:
        """Never called: `LazyGroup` puts the real command in its place."""

    return stand_in


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # only here: help needs no metadata

        typer.echo(version("samlabel"))
        raise typer.Exit


app = typer.Typer(cls=LazyGroup, no_args_is_help=True)
for _name, (_, _, _help) in COMMANDS.items():
    app.command(_name, help=_help)(_stand_in())


@app.callback()
def samlabel(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    """Segment Anything for radiology annotation, inside MONAI Label."""


def main() -> None:
    """The console script."""
    route_structlog()
    try:
        with _heard():
            app()
    except SamError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.filename or 'a file'} cannot be read or written: {error.strerror or error}")
    finally:
        gc.freeze()  # or Python looks through every object of the libraries once more before it ends: two seconds


def _heard() -> AbstractContextManager[object]:
    """Without a terminal a long command says every few seconds that it is at work; a server has its log."""
    name = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if name in ("", "serve") or sys.stderr.isatty():
        return nullcontext()
    return telling(f"samlabel {name} is at work")


def _refuse(sentence: str) -> NoReturn:
    typer.secho("refused: ", fg="red", err=True, nl=False)
    typer.echo(sentence, err=True)
    raise SystemExit(1) from None
