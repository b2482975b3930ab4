"""What ships is trained from procedural scans only: `samlabel pretrain`, `pretrain-tracker` and so on, and `renew`.

Exit code 0: trained; 1: the run could not be started or continued, and the sentence says why.
"""

from __future__ import annotations

import logging
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sam_infer.errors import SamError
from sam_infer.weights.available import EMBEDDED, SHOWN_DIGITS
from samlabel.commands import adapters
from samlabel.loop.stopping import stopping


def pretrain(  # noqa: PLR0913 - every parameter is an option of the command
    out: Annotated[Path, typer.Option(help="Folder of the weights, the state, the log and the curves.")] = Path(
        "runs/pretrain"
    ),
    minutes: Annotated[float, typer.Option(min=0.1, help="How long to train.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Everything random depends on it.")] = 0,
    processes: Annotated[int, typer.Option(min=1, help="Training processes, one CPU thread each.")] = 1,
    init: Annotated[Path | None, typer.Option(exists=True, dir_okay=False, help="Start from these weights.")] = None,
    lr: Annotated[float, typer.Option(min=0, max=1, help="Highest learning rate; half of it suits --init.")] = 1e-3,
    refine: Annotated[
        bool, typer.Option(help="For trained weights: large pictures throughout, short warm-up, long decay.")
    ] = False,
    resume: Annotated[bool, typer.Option(help="Go on exactly where the run in --out stopped.")] = False,
) -> None:
    """Train `tiny` from procedural scans; nothing else is read."""
    if init is not None and resume:
        raise typer.BadParameter("give either weights to start from (--init) or a run to go on with (--resume)")
    from sam_trainer.pretraining.config import REFINING, PretrainConfig  # here: it loads torch
    from sam_trainer.pretraining.run import pretrain as run

    console = Console(stderr=True)
    try:
        config = PretrainConfig(
            out=out, minutes=minutes, seed=seed, processes=processes, init=init, lr=lr, resume=resume
        )
        if refine:
            config = replace(config, legs=REFINING, answers=(2, 3), warmup_steps=60, decay_share=0.5)
        with stopping() as should_stop:
            report = run(config, should_stop)
    except SamError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(
        f"{report.steps} steps in {report.seconds / 60:.1f} minutes, loss {report.first_loss:.3f} -> "
        f"{report.last_loss:.3f}; weights in {report.weights}",
        markup=False,
        soft_wrap=True,
    )


def pretrain_tracker(
    out: Annotated[Path, typer.Option(help="Folder of the weights and the state.")] = Path("runs/tracker"),
    steps: Annotated[int, typer.Option(min=1, help="Batches; 3200 take an hour on one core.")] = 3200,
    seed: Annotated[int, typer.Option(help="Everything random depends on it.")] = 1,
    resume: Annotated[bool, typer.Option(help="Go on where the run in --out stopped.")] = False,
) -> None:
    """Train the tracker of `sam_3d` from procedural scans; nothing else is read."""
    from sam_trainer.pretraining.train_tracker import TrackingConfig, train_tracker  # here: it loads torch

    console = Console(stderr=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        with stopping() as should_stop:
            report = train_tracker(TrackingConfig(out=out, steps=steps, seed=seed, resume=resume), should_stop)
    except SamError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(
        f"loss {report.first_loss:.3f} -> {report.last_loss:.3f}; weights in {report.weights}",
        markup=False,
        soft_wrap=True,
    )


def renew(  # noqa: PLR0913 - every parameter is an option of the command
    weights: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of a run of `pretrain`: embed its weights."),
    ] = None,
    what: Annotated[str, typer.Option(help="With --weights: what was new in the run, for the model card.")] = "",
    share: Annotated[float, typer.Option(help="With --weights: their part; the rest stays as embedded now.")] = 1.0,
    tracker_steps: Annotated[int, typer.Option(min=0, help="Train the tracker anew; 3200 take an hour.")] = 0,
    studies: Annotated[str | None, typer.Option(help="Train the adapter that serves anew from these labels.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of result files.")] = Path("benchmarks/results"),
    measure: Annotated[bool, typer.Option(help="Run the command of every result file of other weights again.")] = False,
) -> None:
    """Embed trained weights; train again what depends on them, and say what else was made with other weights."""
    from samlabel.offline import renewing  # here: it loads torch

    try:
        if weights is not None:
            typer.echo(f"embedded: {renewing.embed(weights, what, share)}")
        if tracker_steps:
            renewing.tracker(tracker_steps)
        old = renewing.old_adapter()
        if old is not None and studies is None:
            again = "give --studies, or run `samlabel adapters retrain`"
            typer.echo(f"adapter {old[:SHOWN_DIGITS]} was trained on other weights: {again}")
        elif old is not None and studies is not None:
            adapters.retrain(studies, old, EMBEDDED)
        for told in renewing.results_of_others(results, measure):
            typer.echo(told)
    except (SamError, subprocess.CalledProcessError) as error:
        Console(stderr=True).print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error


def pretrain_ranker(
    model: Annotated[str, typer.Option(help="Whose candidates of a first click are ranked.")] = "tiny",
    out: Annotated[Path, typer.Option(help="Folder of the prompting manifest.")] = Path("runs/ranker"),
    scenes: Annotated[int, typer.Option(min=10, help="Procedural scenes; a fifth of them judges.")] = 250,
    seed: Annotated[int, typer.Option(help="Everything random depends on it.")] = 1,
) -> None:
    """Train the choice of what a single click means from procedural scans; the network stays as it is."""
    from sam_infer.models.load import load_backbone  # here: it loads torch
    from sam_trainer.pretraining.train_ranker import train_ranker

    console = Console(stderr=True)
    try:
        with stopping() as should_stop:
            report = train_ranker(load_backbone(model), scenes, seed, should_stop)
        file = out / f"prompting-{model}.json"
        report.prompting.write(file)
    except SamError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(f"{report.objects} objects, Dice {report.figures}; {file}", markup=False, soft_wrap=True)


def pretrain_round_prior(
    model: Annotated[str, typer.Option(help="Whose answers to a box are drawn to the ellipse of the box.")] = "tiny",
    out: Annotated[Path, typer.Option(help="Folder of the prompting manifest.")] = Path("runs/round-prior"),
    scenes: Annotated[int, typer.Option(min=10, help="Procedural scenes.")] = 250,
    seed: Annotated[int, typer.Option(help="Everything random depends on it.")] = 1,
) -> None:
    """Train how far round things in boxes are believed, from procedural scans; the network stays as it is."""
    from sam_infer.models.load import load_backbone  # here: it loads torch
    from sam_trainer.pretraining.train_round_prior import train_round_prior

    console = Console(stderr=True)
    try:
        backbone = load_backbone(model)
        with stopping() as should_stop:
            prior = train_round_prior(backbone, scenes, seed, should_stop)
        file = out / f"prompting-{model}.json"
        replace(backbone.prompting, round_prior=prior).write(file)
    except SamError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(f"{prior}; {file}", markup=False, soft_wrap=True)
