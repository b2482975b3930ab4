"""Pre-training of the embedded model on procedural scans."""

from __future__ import annotations

import copy
import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch.multiprocessing.spawn import spawn

from sam_infer.networks.optimizer import PlainAdamW
from sam_infer.networks.tiny.model import TinySam
from sam_trainer.errors import TrainingError
from sam_trainer.lessons.dialogue import hold_dialogue
from sam_trainer.lessons.prompt_batch import draw_batch
from sam_trainer.pretraining.config import PretrainConfig
from sam_trainer.pretraining.export import export_weights
from sam_trainer.pretraining.state import Counters, TrainState, update_average
from sam_trainer.process_group import ProcessGroup, gradients
from sam_trainer.reports.curves import draw_curves, read_log
from sam_trainer.training.precision import on_cpu
from sam_trainer.training.schedule import Schedule

log = logging.getLogger(__name__)

LOG_FILE, WEIGHTS_FILE, CURVES_FILE = "log.jsonl", "tiny.safetensors", "curves.png"
LOG_EVERY = 20
MAX_GRADIENT = 1.0
MAX_SKIPPED = 50


@dataclass(frozen=True)
class PretrainReport:
    """What a run did."""

    steps: int
    images: int  # that were looked at
    seconds: float
    first_loss: float  # mean over the first logged steps
    last_loss: float
    weights: Path


def pretrain(config: PretrainConfig, should_stop: Callable[[], bool] = lambda: False) -> PretrainReport:
    """Train until the run's minutes or steps are over; weights, state, log and curves are in `config.out`.

    `should_stop` ends it after a step, to be resumed; a run of several processes is ended by ending them.
    """
    config.out.mkdir(parents=True, exist_ok=True)
    if not config.resume:
        (config.out / LOG_FILE).unlink(missing_ok=True)
    if config.processes == 1:
        _train(0, config, None, should_stop)
    else:
        meeting = config.out / f"meeting-{time.time_ns()}"
        spawn(_train, (config, meeting), nprocs=config.processes)
        meeting.unlink(missing_ok=True)
    draw_curves(config.out / LOG_FILE, config.out / CURVES_FILE)
    return _report(config.out)


def new_state(config: PretrainConfig) -> TrainState[TinySam]:
    """A fresh, initialised or resumed state."""
    torch.manual_seed(config.seed)
    model = TinySam()
    if config.init is not None:
        model.load_state_dict({k: v.float() for k, v in load_file(config.init).items()})
    average = copy.deepcopy(model).requires_grad_(False)
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
    optimizer = PlainAdamW(groups, lr=config.lr, weight_decay=config.weight_decay, betas=(0.9, 0.98), fused=True)
    state = TrainState(model, average, optimizer, Counters())
    if config.resume:
        state.load(config.out)
    return state


def _train(
    rank: int, config: PretrainConfig, meeting: Path | None, should_stop: Callable[[], bool] = lambda: False
) -> None:
    group = ProcessGroup(rank, config.processes)
    if meeting is not None:
        torch.set_num_threads(1)
        group.join(meeting)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    state = new_state(config)
    clock = _Clock(config, state.counters.seconds)
    recent: list[dict[str, float]] = []
    while (progress := group.agree(clock.progress(state.counters.step))) < 1.0 and not should_stop():
        recent.append(take_step(state, config, group, progress))
        if rank == 0:
            state.counters.seconds = clock.seconds()
            if state.counters.step % LOG_EVERY == 0:
                _log(config.out, state, recent, progress)
                recent.clear()
            if clock.save_due():
                _save(state, config)
    if rank == 0:
        _log(config.out, state, recent, 1.0)
        _save(state, config)
    group.leave()


class _Clock:
    """How much of the run is done, in training time over all its sittings."""

    def __init__(self, config: PretrainConfig, seconds_before: float) -> None:
        self._config = config
        self._start = time.monotonic() - seconds_before
        self._saved = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._start

    def progress(self, step: int) -> float:
        if self._config.steps is not None:
            return step / self._config.steps
        return self.seconds() / (60 * self._config.minutes)

    def save_due(self) -> bool:
        due = time.monotonic() - self._saved > self._config.save_every_s
        if due:
            self._saved = time.monotonic()
        return due


def take_step(
    state: TrainState[TinySam], config: PretrainConfig, group: ProcessGroup, progress: float
) -> dict[str, float]:
    """One optimisation step of this member of the group; returns what goes into the log."""
    step = state.counters.step
    shape = config.leg(progress).shape
    index = step * group.size + group.rank
    batch = draw_batch(config.seed, index, shape)
    rng = np.random.default_rng((config.seed, index, 2))
    with on_cpu():
        losses = hold_dialogue(state.model, batch, rng, config.answers[step % len(config.answers)])
        total = torch.stack([part.total for part in losses]).mean()
    total.backward()
    grads = gradients(state.model.parameters())
    group.average(grads)
    norm = torch.nn.utils.clip_grad_norm_(state.model.parameters(), MAX_GRADIENT)
    rate = config.lr * Schedule(config.decay_share, config.warmup_steps).factor(step, progress)
    for parameters in state.optimizer.param_groups:
        parameters["lr"] = rate
    if torch.isfinite(norm):
        state.optimizer.step()
        update_average(state.average, state.model, config.ema_decay, step)
    else:
        state.counters.skipped += 1
        if state.counters.skipped > MAX_SKIPPED:
            raise TrainingError(f"{MAX_SKIPPED} steps had no finite gradient; lower the learning rate")
    state.optimizer.zero_grad()
    state.counters.step += 1
    state.counters.images += shape.images * group.size
    # the log has three answers; where fewer were given, the last one stands for the rest
    row = {f"mask{i}": float(losses[min(i, len(losses) - 1)].mask.detach()) for i in range(3)}
    score = float(torch.stack([part.score.detach() for part in losses]).mean())
    return {"loss": float(total.detach()), **row, "score": score, "norm": float(norm), "lr": rate, "side": shape.side}


def _log(out: Path, state: TrainState[TinySam], recent: list[dict[str, float]], progress: float) -> None:
    if not recent:
        return
    row = {key: float(np.mean([r[key] for r in recent])) for key in recent[0]}
    row |= asdict(state.counters)
    with (out / LOG_FILE).open("a") as file:
        file.write(json.dumps(row) + "\n")
    left = state.counters.seconds * (1 - progress) / max(progress, 1e-6)
    log.info(
        "step %d loss %.3f masks %.3f %.3f %.3f, %.2f steps/s, %.0f min left",
        state.counters.step,
        row["loss"],
        row["mask0"],
        row["mask1"],
        row["mask2"],
        state.counters.step / max(state.counters.seconds, 1e-6),
        left / 60,
    )


def _save(state: TrainState[TinySam], config: PretrainConfig) -> None:
    state.save(config.out)
    export_weights(state.average, config.out / WEIGHTS_FILE)


def _report(out: Path) -> PretrainReport:
    rows = read_log(out / LOG_FILE)
    edge = max(1, len(rows) // 10)
    return PretrainReport(
        steps=int(rows[-1]["step"]),
        images=int(rows[-1]["images"]),
        seconds=float(rows[-1]["seconds"]),
        first_loss=float(np.mean([r["loss"] for r in rows[:edge]])),
        last_loss=float(np.mean([r["loss"] for r in rows[-edge:]])),
        weights=out / WEIGHTS_FILE,
    )
