"""`samlabel bench card`: one model in figures, measured source by source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sam_infer.weights.available import require_added
from samlabel.commands.benches.measured import (
    AllowChanged,
    Limit,
    Model,
    Order,
    Seed,
    Separate,
    Threads,
    as_sentences,
    labelled_folder,
    network,
)
from samlabel.offline.telling import Status, telling


def card(  # noqa: PLR0913 - every parameter is an option of the command
    context: typer.Context,
    model: Model = "tiny",
    studies: Annotated[
        list[str] | None, typer.Option(help="Measure on these first; may be repeated. Without it: what was measured.")
    ] = None,
    results: Annotated[Path | None, typer.Option(help="Folder of the benches' JSON files.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the card goes, and beside it its JSON.")] = None,
    seed: Seed = 0,
    limit: Limit = None,
    separate: Separate = None,
    repeats: Annotated[int, typer.Option(min=3, help="Visits per phase of the latency.")] = 15,
    threads: Threads = None,
    allow_changed: AllowChanged = False,
) -> None:
    """A model's card: provenance, licence, sizes, speed, results per source, and where it loses; resumable."""
    committed = model == "tiny" and not studies
    folder = results or (Path("benchmarks/results") if committed else Path("runs/card") / model)
    written = out or (Path("docs/model-card-tiny.md") if committed else folder / f"model-card-{model}.md")
    with as_sentences():
        require_added(model)
        if studies:
            from sam_trainer.bench.card.measure import CardBench, sources_of
            from sam_trainer.provenance import require_clean

            require_clean(allow_changed)
            backbone = network(model, threads)
            sources = sources_of([labelled_folder(name) for name in studies], separate or ())
            told = Order.command_of(context)
            with telling(f"measuring {model}") as tell:
                bench = CardBench(
                    backbone,
                    folder,
                    told,
                    seed,
                    lambda line: typer.echo(line, err=True),
                    lambda words, done, of: tell(Status(words, done, of)),
                )
                bench.run(sources, limit, repeats)
        from sam_trainer.bench.card.model_card import write_card

        write_card(model, folder, written)
        Console(stderr=True).print(f"wrote {written} and {written.with_suffix('.json').name}")
