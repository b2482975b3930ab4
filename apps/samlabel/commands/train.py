"""`samlabel train`: learn from the labels of a studies folder, without a server.

Exit code 0: an adapter was stored, promoted or not; 1: refused or failed, with one sentence on why and what to do.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_infer.home import default_home
from sam_infer.serving.activity import step_aside
from sam_infer.weights.available import require_added
from sam_trainer.config import TrainConfig
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.training.progress import read_progress
from samlabel.commands.cli import STUDIES
from samlabel.loop.stopping import stopping
from samlabel.offline.telling import Status, telling
from samlabel.store.open import identified, opened

if TYPE_CHECKING:
    from sam_trainer.training.run_round import RoundOutcome


def train(  # noqa: PLR0913 - every parameter is an option of the command
    studies: Annotated[str, typer.Option(help=f"{STUDIES} Its accepted labels teach.")],
    model: Annotated[str, typer.Option(help="Which network learns; see `samlabel models list`.")] = "tiny",
    method: Annotated[str, typer.Option(help="lora, decoder or full.")] = TrainConfig.method,
    rank: Annotated[int, typer.Option(help="lora: rank of the change.")] = TrainConfig.rank,
    targets: Annotated[str, typer.Option(help="lora: q, k, v, proj, mlp, comma-separated.")] = "q,v",
    with_decoder: Annotated[bool, typer.Option(help="lora: train the mask decoder too.")] = TrainConfig.with_decoder,
    epochs: Annotated[int, typer.Option(help="At most so many.")] = TrainConfig.epochs,
    steps: Annotated[int, typer.Option(help="Per epoch.")] = TrainConfig.steps,
    lr: Annotated[float | None, typer.Option(help="Peak learning rate (default: the method's).")] = None,
    precision: Annotated[
        str, typer.Option(help="Of the network's work: bfloat16, float32, or auto, what this machine is faster with.")
    ] = TrainConfig.precision,
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
    run(studies, config, GatePolicy(held_out_cases=held_out, promote=promote), resume)


def run(studies: str, config: TrainConfig, policy: GatePolicy, resume: bool = False) -> None:
    """Train, say how far it is, and what came of it; the studies are looked for before torch is loaded."""
    home = default_home()
    require_added(config.model, home)
    identified(studies, home)
    with telling(f"loading the model {config.model}"):
        from sam_trainer.training.run_round import PROGRESS_FILE, TrainingRound, training_folder
        from samlabel.loop.counted_labels import counting_labels
    step_aside()  # a server on this machine comes first
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    path = training_folder(config.model) / PROGRESS_FILE
    began = int(time.time())
    # a store of DICOM files is open for as long as anything may be read from it
    with opened(studies, home, share=True) as found, telling("reading labels", lambda: _seen(path, began)):
        accepted = [] if resume else counting_labels(found)
        with stopping() as should_stop:
            learned = TrainingRound(config, policy).run(accepted, should_stop, resume)
    _report(learned)


def _seen(path: Path, began: int) -> Status | None:
    """What this training wrote last; before it begins the file tells of the one before."""
    facts = read_progress(path)
    if facts.get("start_ts", 0) < began:
        return None
    words = str(facts.get("stage", ""))
    if facts.get("epoch") or words == "training":
        words += f", epoch {facts.get('epoch', 0)} of {facts.get('total_epochs', 0)}"
        words += f", best Dice {facts.get('best_metric') or 0.0:.3f}"
    return Status(words, facts.get("percent", 0.0), 100.0)


def _report(learned: RoundOutcome) -> None:
    typer.echo(learned.message)
    if learned.named_by:
        typer.echo(f"  labels without a prompt are named by {learned.named_by}")
    verdict = learned.verdict
    if verdict is None or not verdict.cases:
        return
    for key, after in verdict.candidate.items():
        before = f"{verdict.incumbent[key]:.3f}" if key in verdict.incumbent else "none"
        typer.echo(f"  {key.replace('_', ' ')}: {before} -> {after:.3f}")
    for name, (low, high) in verdict.intervals.items():
        mean = f"{verdict.labels[name]:+.3f}, " if name in verdict.labels else ""
        typer.echo(f"  {name}: {mean}between {low:+.3f} and {high:+.3f}")
