"""Training loop of one adaptation: an ignite engine around dialogues with a simulated reader.

Every batch is a function of seed, epoch and step, so a training that was interrupted goes on, from its last whole
epoch, to exactly the adapter that it would have become. The members of a group draw batches of their own and average
their gradients; the first of them validates, decides and writes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping
from torch import Tensor, nn

from sam_infer.networks.optimizer import PlainAdamW
from sam_trainer.config import TrainConfig
from sam_trainer.errors import StoppedError, TrainingError
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.dialogue import hold_dialogue
from sam_trainer.methods.method import Together, adapt
from sam_trainer.methods.trainable import Remembered, Trainable
from sam_trainer.process_group import ProcessGroup, gradients
from sam_trainer.training.precision import mixed_precision
from sam_trainer.training.progress import Listener
from sam_trainer.training.record import note_epoch
from sam_trainer.training.schedule import Schedule
from sam_trainer.training.semantic import SemanticTraining
from sam_trainer.training.state import STATE_FILE, FitState, Standing
from sam_trainer.training.unet import Rival, UNetTraining

log = logging.getLogger(__name__)

# So many steps in a row without a finite gradient will not be followed by a good one.
MAX_SKIPPED = 10

# Tells the random numbers of the semantic head, and of its rival, from those of any member of a group.
APART, RIVAL = 1 << 20, 1 << 21

WARMUP_STEPS = 10
DECAY_SHARE = 0.4


@dataclass(frozen=True)
class Fitted:
    """The best version that validation saw."""

    tensors: dict[str, Tensor]
    standing: Standing
    stopped: bool  # before its time, by somebody


@dataclass(frozen=True)
class Teacher:
    """Where batches come from and who says how good a version is."""

    batches: LessonBatches
    validate: Callable[[dict[str, Tensor]], float]  # an adapter's tensors to a mean Dice
    semantic: SemanticTraining | None = None  # the prompt-free head that trains along
    rival: Rival | None = None  # the U-Net that trains beside that head

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that the batches are of, where the method learns any."""
        return self.batches.taught.names


class Fit:
    """One training; `folder` keeps its state; `should_stop` ends it within a step, of several processes after one."""

    def __init__(
        self, network: Trainable, config: TrainConfig, teacher: Teacher, folder: Path, group: ProcessGroup | None = None
    ) -> None:
        config = replace(config, tags=teacher.tags) if teacher.tags else config
        self._network = network
        self._config = config
        self._teacher = teacher
        self._folder = folder
        self._group = group or ProcessGroup()
        adaptation = adapt(network.network, config, network.told)
        self.parameters = sum(parameter.numel() for parameter in adaptation.parameters())  # of the network that train
        if teacher.semantic is not None:
            adaptation = Together(adaptation, teacher.semantic)
        self._own = adaptation  # without the rival, which has a best version of its own
        if teacher.rival is not None:
            adaptation = Together(adaptation, teacher.rival.training)
        self._rates = [rate for rate, _ in adaptation.rates()]
        groups = [{"params": parameters, "lr": rate} for rate, parameters in adaptation.rates()]
        optimizer = PlainAdamW(groups, weight_decay=config.weight_decay, betas=(0.9, 0.98))
        self._state = FitState(adaptation, optimizer, Standing(), {})
        self._in_a_row = 0
        self._losses: list[float] = []
        self._metric = -1.0

    def resume(self) -> None:
        """Go on where the training in the folder stopped; one that has no whole epoch yet begins again."""
        if (self._folder / STATE_FILE).exists():
            self._state.load(self._folder)

    def run(
        self,
        progress: Listener,
        should_stop: Callable[[], bool],
        enough: Callable[[int], bool] = lambda epoch: False,
    ) -> Fitted:
        """Train until the epochs are over, validation stops improving, or somebody asks for an end.

        What is `enough` after an epoch ends in peace: with the same config it goes on from there.
        """
        config, standing = self._config, self._state.standing
        if standing.epoch >= config.epochs or standing.waited >= config.patience:
            return Fitted(self._state.best, standing, stopped=False)
        ending = _Ending(should_stop, self._group)
        engine = Engine(lambda engine, step: self._step(engine.state.epoch, step, ending))
        patience = EarlyStopping(config.patience, lambda _: self._metric, engine)
        patience.load_state_dict({"counter": standing.waited, "best_score": standing.best, "threshold_mode": "abs"})

        def after_step(engine: Engine) -> None:
            done = engine.state.iteration / (config.epochs * config.steps)
            progress.step(done, engine.state.epoch - 1, float(np.mean(self._losses or [0.0])))
            if ending.asked():
                engine.terminate()

        def after_epoch(engine: Engine) -> None:
            if not ending.came and self._validated(ending):
                self._conclude(engine.state.epoch, progress)
                patience(engine)
            if ending.came or enough(standing.epoch):
                engine.terminate()

        engine.add_event_handler(Events.ITERATION_COMPLETED, after_step)
        engine.add_event_handler(Events.EPOCH_COMPLETED, after_epoch)
        engine.load_state_dict({"epoch": standing.epoch, "max_epochs": config.epochs, "epoch_length": config.steps})
        engine.run(range(config.steps))
        return Fitted(self._state.best, standing, ending.came)

    def _step(self, epoch: int, step: int, ending: _Ending) -> None:
        """One batch of everything that trains; cut short by an end, for an epoch that is cut begins again."""
        config = self._config
        mine = (self._group.rank,) if self._group.size > 1 else ()
        rng = np.random.default_rng((config.seed, epoch, step, *mine))
        batch, features = self._teacher.batches.draw(self._network, config.images, config.objects, rng)
        if ending.at_once():
            return
        asked = self._network if features is None else Remembered(self._network, features)
        with mixed_precision(config.precision):
            losses = hold_dialogue(asked, batch, rng, config.decodes)
            total = torch.stack([part.total for part in losses]).mean()
            semantic = self._teacher.semantic
            if semantic is not None:
                # random numbers of its own: with or without a semantic head, the dialogues are the same
                apart = np.random.default_rng((config.seed, epoch, step, APART, *mine))
                total = total + semantic.loss(self._network, config.semantic_images, apart)
        if ending.at_once():
            return
        total.backward()
        done = ((epoch - 1) * config.steps + step) / (config.epochs * config.steps)
        self._count(self._update(self._state.adaptation.parameters(), done))
        self._losses.append(float(total.detach()))
        for namer, key in self._namers():
            if ending.at_once():
                return
            self._catch_up(namer, np.random.default_rng((config.seed, epoch, step, key, *mine)), done)

    def _namers(self) -> Iterator[tuple[SemanticTraining | UNetTraining, int]]:
        """Who has batches of its own in each step, and what keeps the random numbers of each batch apart."""
        semantic, rival = self._teacher.semantic, self._teacher.rival
        if semantic is not None:
            yield from ((semantic, APART + more) for more in range(1, self._config.semantic_steps))
        if rival is not None:
            yield from ((rival.training, RIVAL + more) for more in range(self._config.unet_steps))

    def _catch_up(self, namer: SemanticTraining | UNetTraining, rng: np.random.Generator, done: float) -> None:
        """One batch for what names labels alone: it starts from nothing and has further to go."""
        with mixed_precision(self._config.precision):
            loss = namer.loss(self._network, self._config.semantic_images, rng, alone=True)
        loss.backward()
        self._state.standing.skipped += not self._update(namer.parameters(), done)

    def _update(self, parameters: Sequence[nn.Parameter], done: float) -> bool:
        """Let parameters follow their gradients, if these are finite; others have none and stay."""
        config, state = self._config, self._state
        if self._group.size > 1:
            self._group.average(gradients(parameters))
        norm = torch.nn.utils.clip_grad_norm_(parameters, config.max_gradient)
        factor = Schedule(DECAY_SHARE, WARMUP_STEPS).factor(round(done * config.epochs * config.steps), done)
        for group, rate in zip(state.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        finite = bool(torch.isfinite(norm))
        if finite:
            state.optimizer.step()
        state.optimizer.zero_grad()
        return finite

    def _count(self, finite: bool) -> None:
        """Count the steps of the whole network that led nowhere; too many in a row end the training."""
        self._state.standing.skipped += not finite
        self._in_a_row = 0 if finite else self._in_a_row + 1
        if self._in_a_row >= MAX_SKIPPED:
            raise TrainingError(
                f"{MAX_SKIPPED} steps in a row had no finite gradient: lower the learning rate (lr)", "lr"
            )

    def _validated(self, ending: _Ending) -> bool:
        """Measure, on the first of the group; whether nobody asked for an end meanwhile."""
        metric = float("nan")
        with ending.by_exception():
            if self._group.rank == 0:
                found = self._teacher.validate(self._own.tensors())
                self._see_rival()
                metric = found
        self._metric = self._group.agree(metric)
        if np.isnan(self._metric):
            ending.came = True
        return not ending.came

    def _see_rival(self) -> None:
        """Keep the best version of the U-Net, whichever epoch the network beside it was best in."""
        rival, state = self._teacher.rival, self._state
        if rival is None:
            return
        tensors = rival.training.tensors()
        metric = rival.validate(tensors)
        if metric > state.standing.rival_best:
            state.standing.rival_best = metric
            state.best |= tensors

    def _conclude(self, epoch: int, progress: Listener) -> None:
        """Remember the best, and write everything down."""
        standing = self._state.standing
        standing.epoch, standing.loss = epoch, float(np.mean(self._losses))
        self._losses.clear()
        standing.waited += 1
        if self._metric > standing.best:
            standing.best, standing.best_epoch, standing.waited = self._metric, epoch, 0
            self._state.best |= self._own.tensors()
        if self._group.rank:
            return
        self._state.save(self._folder)
        rate = float(self._state.optimizer.param_groups[0]["lr"])
        note_epoch(
            self._folder, {"loss": standing.loss, "dice": self._metric, "best": standing.best, "rate": rate}, epoch
        )
        progress.validated(epoch, self._metric, standing.best, standing.best_epoch)
        log.info(
            "epoch %d: loss %.4f, validation Dice %.4f, best %.4f of epoch %d",
            epoch,
            standing.loss,
            self._metric,
            standing.best,
            standing.best_epoch,
        )


class _Ending:
    """Whether somebody asked a training to end; asked in and between steps, and between the objects of a validation."""

    def __init__(self, should_stop: Callable[[], bool], group: ProcessGroup) -> None:
        self.came = False
        self._should_stop = should_stop
        self._group = group

    def asked(self) -> bool:
        """Whether somebody asked any process of the group."""
        self.came = self.came or bool(self._group.agree(float(self._should_stop())))
        return self.came

    def at_once(self) -> bool:
        """Whether to leave a step that is under way; several processes end theirs, for they wait for each other."""
        return self._group.size == 1 and self._should_stop()

    @contextmanager
    def by_exception(self) -> Iterator[None]:
        try:
            yield
        except StoppedError:
            self.came = True
