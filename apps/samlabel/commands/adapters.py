"""`samlabel adapters`: list, show, promote, roll back, retrain; what was learned and how it was judged.

A running server follows at its next click. Exit code 0: done; 1: refused, with one sentence on why and what to do.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from sam_infer.errors import UnknownAdapterError
from sam_infer.home import HOME_VARIABLE
from sam_infer.weights.available import SHOWN_DIGITS, require_known
from samlabel.commands.cli import STUDIES
from samlabel.offline.tables import print_table

if TYPE_CHECKING:
    from sam_infer.adapters.store import AdapterStore

app = typer.Typer(help="List and show what was learned; choose what serves.", no_args_is_help=True)

Model = Annotated[str, typer.Option(help="The network that the adapters belong to.")]
Home = Annotated[
    Path | None,
    typer.Option(envvar=HOME_VARIABLE, help="Folder of models and caches (default: ~/.local/share/samlabel)."),
]
Id = Annotated[str, typer.Argument(help="An adapter's id, or its beginning.")]


@app.command("list")
def list_adapters(model: Model = "tiny", home: Home = None) -> None:
    """Every adapter, the newest first, and which one serves."""
    store = _store(model, home)
    from sam_infer.models.load import weights_id_of  # reads weights
    from samlabel.wire import adapter_facts

    rows = adapter_facts.overview(store, weights_id_of(model, home)) if store.adapters() else []
    if not rows:
        typer.echo(f"nothing was learned for {model} yet: run `samlabel train`")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("adapter", "serves", "stored", "method", "cases", "verdict"):
        table.add_column(column, overflow="fold")
    for row in rows:
        alarm = f"ALARM: {row['alarm']}" if row.get("alarm") else None
        verdict = row.get("damaged") or alarm or row.get("stale") or row.get("verdict") or "not judged"
        cells = (
            row["adapter"][:SHOWN_DIGITS],
            "yes" if row["serves"] else "",
            row["stored"][:16],
            str(row.get("method", "")),
            str(row.get("taught_by", "")),
            verdict,
        )
        table.add_row(*(escape(cell) for cell in cells))
    print_table(table)


@app.command()
def show(adapter: Id, model: Model = "tiny", home: Home = None) -> None:
    """Where an adapter comes from and how it was judged, as JSON."""
    store = _store(model, home)
    from samlabel.wire import adapter_facts

    typer.echo(json.dumps(adapter_facts.details(store, adapter), indent=1))


@app.command()
def promote(
    adapter: Id,
    model: Model = "tiny",
    home: Home = None,
    why: Annotated[str, typer.Option(help="Kept in the history.")] = "promoted by hand",
) -> None:
    """Serve an adapter from the next click on, whatever the gate said; one that does not fit the network is refused."""
    store = _store(model, home)
    found = store.get(store.find(adapter))
    from sam_infer.models.load import load_network

    load_network(model, home).require_fit(found)
    name = store.promote(adapter, why)
    typer.echo(f"{model} serves adapter {name[:SHOWN_DIGITS]} from the next click on")


@app.command()
def rollback(
    model: Model = "tiny",
    home: Home = None,
    why: Annotated[str, typer.Option(help="Kept in the history.")] = "rolled back by hand",
) -> None:
    """Go back to what served before."""
    name = _store(model, home).rollback(why)
    what = f"adapter {name[:SHOWN_DIGITS]}" if name else "no adapter"
    typer.echo(f"{model} serves {what} from the next click on")


@app.command()
def retrain(
    studies: Annotated[str, typer.Option(help=f"What it learned from: {STUDIES[0].lower()}{STUDIES[1:]}")],
    adapter: Annotated[str | None, typer.Argument(help="An adapter's id (default: the one that serves).")] = None,
    model: Model = "tiny",
) -> None:
    """Train with an adapter's settings again, on the weights and the accepted labels of today."""
    from sam_trainer.config import TrainConfig
    from sam_trainer.judging.policy import GatePolicy
    from samlabel.commands import train  # the trainer, only for this

    store = _store(model, None)
    name = store.find(adapter) if adapter else store.pointer().adapter
    if name is None:
        raise UnknownAdapterError(f"{model} is served without an adapter: say which one to train again", "adapter")
    made = store.get(name).provenance
    settings = {**made.settings, "targets": tuple(made.settings["targets"])}
    train.run(studies, TrainConfig(model=model, method=made.method, seed=made.seed, **settings), GatePolicy())


def _store(model: str, home: Path | None) -> AdapterStore:
    """The adapters of a model; a wrong name is refused before torch is loaded."""
    require_known(model)
    from sam_infer.adapters.store import AdapterStore

    return AdapterStore(model, home)
