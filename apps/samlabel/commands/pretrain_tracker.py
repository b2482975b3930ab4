"""`samlabel pretrain-tracker`: train the network that follows objects from slice to slice, on procedural scans.

Exit code 0: trained; 1: the run could not be started or continued, and the sentence says why.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sam_infer.errors import SamError
from sam_trainer.pretraining.train_tracker import TrackingConfig, train_tracker


def pretrain_tracker(
    out: Annotated[Path, typer.Option(help="Folder of the weights and the state.")] = Path("runs/tracker"),
    steps: Annotated[int, typer.Option(min=1, help="Batches; 3200 take an hour on one core.")] = 3200,
    seed: Annotated[int, typer.Option(help="Everything random depends on it.")] = 1,
    resume: Annotated[bool, typer.Option(help="Go on where the run in --out stopped.")] = False,
) -> None:
    """Train the tracker of `sam_3d` from procedural scans; nothing else is read."""
    console = Console(stderr=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        report = train_tracker(TrackingConfig(out=out, steps=steps, seed=seed, resume=resume))
    except SamError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(
        f"loss {report.first_loss:.3f} -> {report.last_loss:.3f}; weights in {report.weights}",
        markup=False,
        soft_wrap=True,
    )
