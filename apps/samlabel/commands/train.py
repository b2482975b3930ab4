"""`samlabel train`: learn from the labels of a studies folder, without a server.

Exit code 0: an adapter was stored, promoted or not; 1: refused or failed, with one sentence on why and what to do.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sam_infer.serving.activity import step_aside
from sam_trainer.config import TrainConfig
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.studies import Studies
from sam_trainer.training.progress import read_progress
from sam_trainer.training.run_round import PROGRESS_FILE, RoundOutcome, TrainingRound, training_folder
from samlabel.loop.counted_labels import counting_labels
from samlabel.loop.stopping import stopping


def train(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Annotated[Path, typer.Option(help="A studies folder with label maps in labels/final/.")],
    model: Annotated[str, typer.Option(help="Which network learns; see `samlabel models list`.")] = "tiny",
    method: Annotated[str, typer.Option(help="lora, decoder or full.")] = TrainConfig.method,
    rank: Annotated[int, typer.Option(help="lora: rank of the change.")] = TrainConfig.rank,
    targets: Annotated[str, typer.Option(help="lora: q, k, v, proj, mlp, comma-separated.")] = "q,v",
    with_decoder: Annotated[bool, typer.Option(help="lora: train the mask decoder too.")] = TrainConfig.with_decoder,
    epochs: Annotated[int, typer.Option(help="At most so many.")] = TrainConfig.epochs,
    steps: Annotated[int, typer.Option(help="Per epoch.")] = TrainConfig.steps,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate [default: the method's].")] = None,
    precision: Annotated[str, typer.Option(help="Of the network's work: bfloat16 or float32.")] = TrainConfig.precision,
    processes: Annotated[int, typer.Option(help="That train together: one per GPU, or per core.")] = 1,
    seed: Annotated[int, typer.Option(help="Everything random depends on it.")] = 0,
    promote: Annotated[bool, typer.Option(help="Let it serve if the gate lets it pass.")] = True,
    held_out: Annotated[int, typer.Option(help="Held-out cases that the gate needs.")] = GatePolicy.held_out_cases,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the training that was interrupted.")] = False,
) -> None:
    """Train an adapter on accepted labels, judge it on held-out cases, and promote it if it is better."""
    config = TrainConfig(
        model=model,
        method=method,
        rank=rank,
        targets=tuple(part.strip() for part in targets.split(",") if part.strip()),
        with_decoder=with_decoder,
        epochs=epochs,
        steps=steps,
        lr=lr,
        precision=precision,
        processes=processes,
        seed=seed,
    )
    step_aside()  # a server on this machine comes first
    run(studies, config, GatePolicy(held_out_cases=held_out, promote=promote), resume)


def run(studies: Path, config: TrainConfig, policy: GatePolicy, resume: bool = False) -> None:
    """Train with a bar, and say what came of it."""
    accepted = [] if resume else counting_labels(Studies.of(studies))
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    with stopping() as should_stop, _Bar(config.model) as bar:

        def look() -> bool:
            bar.show()
            return should_stop()

        learned = TrainingRound(config, policy).run(accepted, look, resume)
    _report(learned)


class _Bar:
    """The progress file as a bar."""

    def __init__(self, model: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("reading labels", total=100.0)
        self._path = training_folder(model) / PROGRESS_FILE

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self) -> None:
        """What the training wrote last."""
        facts = read_progress(self._path)
        what = f"{facts.get('stage', '')} {facts.get('epoch', 0)}/{facts.get('total_epochs', 0)}"
        dice = facts.get("best_metric") or 0.0
        self._progress.update(
            self._task, completed=facts.get("percent", 0.0), description=f"{what}, best Dice {dice:.3f}"
        )


def _report(learned: RoundOutcome) -> None:
    typer.echo(learned.message)
    verdict = learned.verdict
    if verdict is None or not verdict.cases:
        return
    for key, after in verdict.candidate.items():
        before = f"{verdict.incumbent[key]:.3f}" if key in verdict.incumbent else "none"
        typer.echo(f"  {key.replace('_', ' ')}: {before} -> {after:.3f}")
    for name, (low, high) in verdict.intervals.items():
        mean = f"{verdict.labels[name]:+.3f}, " if name in verdict.labels else ""
        typer.echo(f"  {name}: {mean}between {low:+.3f} and {high:+.3f}")
