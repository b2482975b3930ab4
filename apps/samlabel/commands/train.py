"""`samlabel train`: learn from the labels of a studies folder, without a server.

Exit code 0: an adapter was stored, promoted or not; 1: refused or failed, with one sentence on why and what to do.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sam_infer.errors import SamError
from sam_infer.home import default_home
from sam_infer.serving.activity import step_aside
from sam_infer.weights.available import require_added
from sam_trainer.config import BEST_OF, METHODS, TrainConfig
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.training.halving import contest_lines
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
    method: Annotated[
        str, typer.Option(help=f"What learns: {', '.join(METHODS)}; auto: several, and the best of them stays.")
    ] = TrainConfig.method,
    minutes: Annotated[float, typer.Option(help="auto: that all methods together train.")] = TrainConfig.minutes,
    rank: Annotated[int, typer.Option(help="Of low-rank changes.")] = TrainConfig.rank,
    targets: Annotated[str, typer.Option(help="lora, lora_decoder: q, k, v, proj, mlp, conv, with commas.")] = "q,v",
    width: Annotated[int, typer.Option(help="Of inserted layers (default: a share of the network's).")] = 0,
    slices: Annotated[int, typer.Option(help="fact3d, sdtrans, cine: that are looked at (default: 3).")] = 0,
    with_decoder: Annotated[bool, typer.Option(help="The mask decoder too, beside the encoder.")] = True,
    decoder_adapters: Annotated[bool, typer.Option(help="bottleneck: in the mask decoder's blocks too.")] = False,
    checkpointing: Annotated[bool, typer.Option(help="Slower, in a fraction of the memory.")] = False,
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
    explain: Annotated[bool, typer.Option("--explain", help="Say what would be trained and what it costs.")] = False,
) -> None:
    """Train an adapter on accepted labels, judge it on held-out cases, and promote it if it is better."""
    config = TrainConfig(
        model=model,
        method=method,
        minutes=minutes,
        rank=rank,
        targets=tuple(part.strip() for part in targets.split(",") if part.strip()),
        width=width,
        slices=slices,
        with_decoder=with_decoder,
        decoder_adapters=decoder_adapters,
        checkpointing=checkpointing,
        epochs=epochs,
        steps=steps,
        lr=lr,
        precision=precision,
        processes=processes,
        seed=seed,
    )
    if explain:
        explained(config)
        return
    run(studies, config, GatePolicy(held_out_cases=held_out, promote=promote), resume)


def explained(config: TrainConfig) -> None:
    """Say what would be trained, how many numbers that are, and what memory and time to expect here."""
    home = default_home()
    require_added(config.model, home)
    if config.method == BEST_OF:
        _explained_contest(config, home)
        return
    with telling(f"two steps of a training of {config.model}"):
        from sam_infer.models.load import load_network
        from sam_trainer.training.forecast import forecast

        found = forecast(load_network(config.model, home), config)
    share = 100 * found.parameters / found.network
    typer.echo(f"{config.method} would train {found.parameters:,} numbers; {config.model} has {found.network:,}")
    for place, numbers in found.parts.items():
        typer.echo(f"  {numbers:>12,}  {place}")
    typer.echo(f"  that is {share:.1f} % of the network; an adapter takes {found.file_bytes / 1e6:.1f} MB")
    typer.echo(f"memory: about {found.memory_bytes / 1e9:.1f} GB; each process of several needs as much")
    typer.echo(
        f"time: {found.step_seconds:.1f} s a step, {found.minutes:.0f} minutes for {config.epochs} epochs of "
        f"{config.steps} steps; reading, validation and the verdict come on top, and validation may end it early"
    )


def _explained_contest(config: TrainConfig, home: Path) -> None:
    """The same of every method that would compete, a line each, and why the others would not."""
    with telling(f"two steps of each method, with {config.model}") as tell:
        from sam_infer.models.load import load_network
        from sam_trainer.training.contest import contestants
        from sam_trainer.training.forecast import forecast

        base, rows = load_network(config.model, home), []
        competing, left_out = contestants(config)
        for number, one in enumerate(competing):
            tell(Status(f"two steps of {one.method}", number, len(competing)))
            try:
                found = forecast(base, one)
            except SamError as error:
                left_out[one.method] = f"left out: {error}"
                continue
            rows.append((one.method, found))
    typer.echo(f"auto: {len(rows)} methods would compete for {config.minutes:g} minutes; {config.model} would learn by")
    for method, found in rows:
        typer.echo(
            f"  {method:<13}{found.parameters:>12,} numbers, {found.file_bytes / 1e6:6.1f} MB, memory about "
            f"{found.memory_bytes / 1e9:.1f} GB, {found.step_seconds:.1f} s a step, alone {found.minutes:.0f} minutes"
        )
    for method, why in left_out.items():
        typer.echo(f"  {method:<13}{why}")
    typer.echo("those for slices beside, or for tags, compete where images have some; reading and verdict come on top")


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
    if facts.get("method") == BEST_OF:  # its stage says rung, method and epoch
        words += f", best Dice {facts['best_metric']:.3f}" if facts.get("best_metric") else ""
    elif facts.get("epoch") or words == "training":
        words += f", epoch {facts.get('epoch', 0)} of {facts.get('total_epochs', 0)}"
        words += f", best Dice {facts.get('best_metric') or 0.0:.3f}"
    return Status(words, facts.get("percent", 0.0), 100.0)


def _report(learned: RoundOutcome) -> None:
    for line in contest_lines(learned.contest["methods"]) if learned.contest else ():
        typer.echo(f"  {line}")
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
