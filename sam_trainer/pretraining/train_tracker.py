"""Training of the tracker on procedural scenes: objects are followed over a few slices, each from the last answer."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from sam_infer.networks.optimizer import PlainAdamW
from sam_infer.networks.tracker_net import TrackerNet
from sam_infer.propagation.tracker import LEAST_SPREAD
from sam_trainer.errors import TrainingError
from sam_trainer.pretraining.export import export_weights
from sam_trainer.pretraining.state import Counters, TrainState, update_average
from sam_trainer.synthetic.chains import STEPS, Chain, draw_chains
from sam_trainer.training.precision import on_cpu

log = logging.getLogger(__name__)

RATE, WARM_UP = 3e-3, 0.05
AVERAGE = 0.998
MAX_GRADIENT = 1.0
LOG_EVERY, SAVE_EVERY = 25, 250

# Batches are drawn from so many: chains of one scene must not meet in one too often.
POOL = 3

# Weight of the cross entropy against the Dice loss.
CROSS_ENTROPY = 4.0

WEIGHTS_FILE = "tracker.safetensors"


@dataclass(frozen=True)
class TrackingConfig:
    """One training."""

    out: Path
    steps: int
    seed: int = 1
    batch: int = 32
    resume: bool = False


@dataclass(frozen=True)
class TrackingReport:
    """What came of it: mean loss of the first and of the last logged steps."""

    first_loss: float
    last_loss: float
    weights: Path


def train_tracker(config: TrackingConfig, should_stop: Callable[[], bool] = lambda: False) -> TrackingReport:
    """Train to the last step, or until somebody asks for an end; weights, state and log are in `config.out`."""
    config.out.mkdir(parents=True, exist_ok=True)
    state = _new_state()
    if config.resume:
        state.load(config.out)
    counters, rows, started = state.counters, list[dict[str, float]](), time.monotonic()
    done, net = counters.step, state.model
    loader = DataLoader(_Batches(config, done), batch_size=None, num_workers=1, prefetch_factor=4)
    for step, batch in zip(range(done, config.steps), loader, strict=False):
        losses = _follow(net, *batch)
        if not math.isfinite(sum(losses)):
            raise TrainingError(f"step {step} had no finite loss; go on with --resume")
        nn.utils.clip_grad_norm_(net.parameters(), MAX_GRADIENT)
        for group in state.optimizer.param_groups:
            group["lr"], group["betas"] = rate_at(step, config.steps), (momentum_at(step, config.steps), 0.999)
        state.optimizer.step()
        state.optimizer.zero_grad()
        update_average(state.average, net, AVERAGE, step)
        counters.step = step + 1
        rows.append({"step": counters.step, "loss": float(np.mean(losses)), "last": losses[-1]})
        if counters.step % LOG_EVERY == 0:
            pace = (time.monotonic() - started) / (counters.step - done)
            mean = float(np.mean([row["loss"] for row in rows[-LOG_EVERY:]]))
            left = pace * (config.steps - counters.step) / 60
            log.info("step %d loss %.3f, %.0f min left", counters.step, mean, left)
        if (stopped := should_stop()) or counters.step % SAVE_EVERY == 0 or counters.step == config.steps:
            _keep(state, config.out)
        if stopped:
            break
    edge = max(1, min(LOG_EVERY, len(rows) // 4))
    first, last = (float(np.mean([row["loss"] for row in part])) for part in (rows[:edge], rows[-edge:]))
    return TrackingReport(first, last, config.out / WEIGHTS_FILE)


def _keep(state: TrainState[TrackerNet], out: Path) -> None:
    state.save(out)
    export_weights(state.average, out / WEIGHTS_FILE)


def _new_state() -> TrainState[TrackerNet]:
    torch.manual_seed(0)
    net = TrackerNet()
    average = copy.deepcopy(net).eval().requires_grad_(False)
    optimizer = PlainAdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    return TrainState(net, average, optimizer, Counters())


def rate_at(step: int, steps: int) -> float:
    """Up to `RATE` in the first `WARM_UP` of the run, then down to nothing, both along a cosine."""
    return _cycle(step, steps, RATE / 25, RATE, RATE / 250_000)


def momentum_at(step: int, steps: int) -> float:
    """The faster the learning, the shorter the memory."""
    return _cycle(step, steps, 0.95, 0.85, 0.95)


def _cycle(step: int, steps: int, start: float, top: float, end: float) -> float:
    turn = max(WARM_UP * steps - 1, 1)
    low, share = (start, 1 - step / turn) if step <= turn else (end, (step - turn) / max(steps - 1 - turn, 1))
    return low + (top - low) * (1 + math.cos(math.pi * share)) / 2


class _Batches(IterableDataset[tuple[Tensor, ...]]):
    """Batches of the endless sequence that a seed names, from one of them on."""

    def __init__(self, config: TrackingConfig, skipped: int) -> None:
        self._seed, self._batch, self._skipped = config.seed, config.batch, skipped

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        scene, pool, made = 0, list[Chain](), 0
        while True:
            for chain in draw_chains(np.random.default_rng((self._seed, scene))):
                pool.append(chain.turned(np.random.default_rng((self._seed, scene, len(pool)))))
            scene += 1
            while len(pool) >= POOL * self._batch:
                taken = np.random.default_rng((self._seed, scene, 7)).permutation(len(pool))[: self._batch]
                if made >= self._skipped:
                    yield _batch([pool[i] for i in taken])
                made += 1
                left = set(range(len(pool))) - set(taken.tolist())
                pool = [pool[i] for i in sorted(left)]


def _batch(chains: list[Chain]) -> tuple[Tensor, ...]:
    """Images standardised by their first slice (N, STEPS + 1, S, S); first mask, coverage, evidence, validity."""
    images, first, masks, evidence, valid = (
        torch.from_numpy(np.stack([getattr(chain, name) for chain in chains]))
        for name in ("images", "first", "masks", "evidence", "valid")
    )
    start = images[:, :1]
    middle, spread = start.mean((2, 3), keepdim=True), start.std((2, 3), keepdim=True) + LEAST_SPREAD
    return (images - middle) / spread, first[:, None], masks, evidence, valid


def _follow(
    net: nn.Module, images: Tensor, first: Tensor, masks: Tensor, evidence: Tensor, valid: Tensor
) -> list[float]:
    """Gradients of all steps, each from the answer before; returns the losses."""
    mask, losses = 2 * first - 1, []
    for n in range(STEPS):
        shown = torch.cat([images[:, n : n + 2], mask, evidence[:, n : n + 1]], dim=1)
        with on_cpu():
            logits = net(shown.contiguous(memory_format=torch.channels_last))
        loss = _loss(logits.float(), masks[:, n : n + 1], valid[:, n])
        (loss / STEPS).backward()
        losses.append(float(loss.detach()))
        mask = 2 * logits.detach().float().sigmoid() - 1
    return losses


def _loss(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Cross entropy and Dice, also where the object has ended and nothing must be left."""
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean((1, 2, 3))
    share = logits.sigmoid()
    overlap = 2 * (share * truth).sum((1, 2, 3)) + 1
    dice = 1 - overlap / (share.sum((1, 2, 3)) + truth.sum((1, 2, 3)) + 1)
    return ((CROSS_ENTROPY * entropy + dice) * valid).sum() / valid.sum().clamp(min=1)
