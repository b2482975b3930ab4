"""`samlabel loop`: report and measure the benefit of active learning and of training here.

Exit code 0: done; 1: it could not be measured, and the sentence says why.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from samlabel.commands.cli import STUDIES
from samlabel.commands.score import offline
from samlabel.config import AppConfig
from samlabel.offline.outputs import result_file
from samlabel.offline.telling import telling

app = typer.Typer(help="Say whether the learning loop pays.", no_args_is_help=True)

Where = Annotated[str, typer.Option(help=STUDIES)]
Model = Annotated[str, typer.Option(help="Which network.")]


@app.command()
def report(
    studies: Where,
    model: Model = AppConfig.model,
    out: Annotated[Path, typer.Option(help="Where the JSON goes.", callback=result_file)] = Path(
        "runs/loop/report.json"
    ),
    page: Annotated[Path, typer.Option(help="Folder of the page and its figures.")] = Path("runs/loop"),
) -> None:
    """Worth of active learning, work per case and week, learning curves with a forecast: JSON and a page."""
    from sam_infer.home import default_home
    from sam_infer.weights.available import require_known
    from samlabel.store.open import identified

    require_known(model)
    about = identified(studies, default_home())
    from sam_trainer.active.report import LoopReport
    from sam_trainer.reports.record import Report, command_line

    started, found = time.time(), LoopReport.of(about, model)
    Report(command_line(), 0, found.rows(), started, found.facts()).write(out)
    written = found.page(studies).write(page, out.stem)
    typer.echo(found.worth.sentence)
    for row in found.structures():
        typer.echo(f"{row['structure']}: Dice {row['dice']:.3f} after {row['cases']} cases; {row['forecast']}")
    typer.echo(found.next_step(studies))
    typer.echo(f"wrote {out} and {written}")


@app.command()
def measure(
    studies: Where,
    model: Model = AppConfig.model,
    draws: Annotated[int, typer.Option(min=1, max=20, help="Pairs of trainings.")] = 5,
    epochs: Annotated[int, typer.Option(min=1, help="Of each.")] = 4,
    seed: Annotated[int, typer.Option(help="Everything random depends on it.")] = 0,
) -> None:
    """Teach networks by chosen and by drawn cases, let both answer held-out ones, and keep what it says."""
    from sam_infer.home import default_home
    from sam_infer.weights.available import require_added
    from samlabel.store.open import identified

    require_added(model)
    identified(studies, default_home())
    from sam_infer.models.load import load_network
    from sam_trainer.active.benefit import Comparison
    from sam_trainer.active.served import ServedCases, loop_folder
    from sam_trainer.config import TrainConfig
    from samlabel.loop.accepted_labels import accepted_labels
    from samlabel.loop.stopping import stopping

    train = TrainConfig(model=model, method="decoder", epochs=epochs, patience=epochs, semantic_images=0)
    with stopping() as should_stop, telling("comparing"), offline(studies, model=model) as app:
        accepted = accepted_labels(app.store, app.studies, app.names)
        comparison = Comparison(load_network(model), train, default_home(), draws, seed, should_stop)
        found = comparison.measure(accepted, ServedCases.of(app.studies).arms())
        if not should_stop():
            found.write(loop_folder(app.studies))
    typer.echo(found.sentence)
