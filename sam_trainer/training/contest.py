"""`--method auto`: several methods learn from the same labels, and the one that validates best becomes the adapter.

Each trains as it would alone, in a folder of its own, with rates that have not begun to fall; the last one knows how
many epochs it has, and its rates fall at their end. So what wins is, tensor by tensor, what the same method with so
many epochs would have become on the same round, and the gate judges it as any other.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import monotonic

import torch

from sam_infer.errors import SamError
from sam_trainer.config import STACKED, TAGGED, TrainConfig
from sam_trainer.errors import StoppedError, TrainingError
from sam_trainer.labels.round import VALIDATION, LabelRound
from sam_trainer.lessons.lesson import Lesson
from sam_trainer.lessons.taught_tags import TaughtTags
from sam_trainer.methods.trainable import trainable
from sam_trainer.training.fit import DECAY_SHARE, Fit
from sam_trainer.training.halving import Halving, Runner, Turn, epochs_of_last, table_of
from sam_trainer.training.progress import Progress
from sam_trainer.training.round_setup import RoundSetup, Trained
from sam_trainer.training.state import STATE_FILE

log = logging.getLogger(__name__)

# Who competes, in the order in which they begin: where the time is short, the last ones do not. `full` is for those who
# ask for it: it takes a hundred times the memory and the disk.
CONTESTANTS = (
    "lora",
    "decoder",
    "bottleneck",
    "lora_decoder",
    "lora_conv",
    "dense_prompt",
    "hyper",
    "fact3d",
    "sdtrans",
    "domain_bank",
    "cine",
)

# Patients that a choice needs; where fewer validate, some who would teach do.
WATCHING = 2

# Epochs of somebody who may go on: so many that rates do not fall.
OPEN_END = 1000

FEW_PATIENTS = (
    "auto chooses by patients who neither teach nor judge, and no label is left for that: label cases of more "
    "patients, or name a method"
)


def contestants(config: TrainConfig) -> tuple[list[TrainConfig], dict[str, str]]:
    """A config for every method that may compete, and why the others may not: a sentence each."""
    found, left_out = [], {}
    for method in CONTESTANTS:
        try:
            found.append(_config_of(method, config))
        except TrainingError as error:
            left_out[method] = f"left out: {error}"
    return found, left_out


def _config_of(method: str, config: TrainConfig) -> TrainConfig:
    """What a contest's config means for one method: it gets what it has a use for."""
    return replace(
        config,
        method=method,
        slices=config.slices if method in STACKED else 0,
        tags=config.tags if method in TAGGED else (),
        minutes=TrainConfig.minutes,
    )


def not_taught(config: TrainConfig, lessons: Sequence[Lesson]) -> str:
    """Why these lessons cannot teach what a method is for; empty where they can."""
    if config.method in STACKED and all(lesson.view.shape[lesson.view.axis] == 1 for lesson in lessons):
        return "it looks at the slices beside, and every image that teaches is a single one"
    try:
        told = not config.facet or TaughtTags.of(config.facet, lessons, config.tags).names
    except SamError as error:  # tags that were asked for may be of the other facet
        return str(error)
    return "" if told else f"no image that teaches says its {config.facet} (tags)"


class Contest:
    """A contest on one round's labels; `folder` keeps the table, and in a folder each everybody's state."""

    def __init__(self, setup: RoundSetup, found: LabelRound, folder: Path, progress: Progress) -> None:
        if not found.of(VALIDATION):
            raise TrainingError(FEW_PATIENTS, "method")
        self._setup = setup
        self._found = found
        self._folder = folder
        self._progress = progress
        self._table = table_of(folder) or self._begun()

    def run(self) -> Trained:
        """Go on with the rung that is under way, until one is left; a StoppedError where somebody asked for an end."""
        table = self._table
        try:
            self._halve(table)
        except StoppedError:
            if not table.spent:
                raise
            raise StoppedError(
                f"stopped in rung {table.rung + 1} of {table.rungs}: what every method learned is kept, and is no "
                "adapter yet; resume goes on"
            ) from None
        if not table.running:
            why = "; ".join(f"{runner.method} is {runner.out}" for runner in table.runners)
            raise TrainingError(f"no method could be trained: {why}", "method")
        return self._last(table.running[0])

    def _halve(self, table: Halving) -> None:
        """Rung after rung, while there are several."""
        while len(table.running) > 1:
            for runner in table.waiting:
                self._turn(runner)
            for runner in table.close():
                (self._folder / runner.method / STATE_FILE).unlink(missing_ok=True)  # of a large network gigabytes
            table.write(self._folder)

    def _begun(self) -> Halving:
        """The table before anything: who competes, and who is left out."""
        configs, left_out = contestants(self._setup.config)
        lessons = self._setup.beside(configs[0]).lessons(self._found, self._progress.reading) if configs else ()
        for config in configs:
            why = not_taught(config, lessons)
            if why:
                left_out[config.method] = f"left out: {why}"
        for method, why in left_out.items():
            log.warning("%s is %s", method, why)
        runners = [Runner(method, out=left_out.get(method, "")) for method in CONTESTANTS]
        return Halving(60 * self._setup.config.minutes, runners)

    def _turn(self, runner: Runner) -> None:
        """One method's time in a rung of several; what cannot be trained is out, and says why."""
        table = self._table
        if not runner.turns and table.used_up:
            runner.out = f"left out: {self._setup.config.minutes:g} minutes are too few for another method"
            return
        before, share = runner.epochs_before(table.rung), table.share
        turn = table.begin(runner)

        def enough(epoch: int) -> bool:
            return turn.seconds + turn.seconds / max(epoch - before, 1) / 2 > share

        try:
            trained = self._trained(runner, turn, OPEN_END, enough)
        except (SamError, torch.OutOfMemoryError) as error:
            runner.out = f"out: {error}"
            table.write(self._folder)
            return
        finally:
            gc.collect()  # the network before, which its engine holds in a circle
        if trained.fitted.stopped:
            raise StoppedError
        turn.over, turn.dice = True, trained.fitted.standing.best
        turn.epochs = trained.fitted.standing.epoch
        table.write(self._folder)

    def _last(self, runner: Runner) -> Trained:
        """The one that is left, to its end."""
        table = self._table
        table.total = table.total or epochs_of_last(table, DECAY_SHARE) or self._setup.config.epochs
        turn = table.begin(runner)
        trained = self._trained(runner, turn, min(table.total, OPEN_END), lambda epoch: False)
        standing = trained.fitted.standing
        turn.over, turn.dice, turn.epochs = not trained.fitted.stopped, standing.best, standing.epoch
        table.write(self._folder)
        self._progress.facts["methods"] = table.facts()
        return replace(trained, contest={"minutes": self._setup.config.minutes, "methods": table.facts()})

    def _trained(self, runner: Runner, turn: Turn, epochs: int, enough: Callable[[int], bool]) -> Trained:
        """One method from where it stopped until it has enough; the table is kept after every epoch."""
        table, progress = self._table, self._progress
        config = replace(_config_of(runner.method, self._setup.config), epochs=epochs)
        setup, folder = self._setup.beside(config), self._folder / runner.method
        teacher = setup.teacher(self._found, progress.reading if not table.spent else lambda done, of: None)
        folder.mkdir(exist_ok=True)
        fit = Fit(trainable(setup.base), config, teacher, folder)
        fit.resume()
        runner.parameters = fit.parameters
        progress.facts |= {
            "total_epochs": table.rungs,
            "run": f"{self._folder.name}/{runner.method}",
            "methods": table.facts(),
        }
        began = monotonic() - turn.seconds
        spent = table.spent - turn.seconds

        def noted(epoch: int) -> bool:
            turn.epochs, turn.seconds = epoch, monotonic() - began
            table.write(self._folder)
            return enough(epoch)

        hearing = _Hearing(progress, table, runner.method, lambda: spent + monotonic() - began)
        return Trained(setup, fit.run(hearing, setup.should_stop, noted), fit.parameters, folder)


class _Hearing:
    """Tells a round's progress of one turn: epochs are rungs there, and how much is done is the time's share."""

    def __init__(self, progress: Progress, table: Halving, method: str, spent: Callable[[], float]) -> None:
        self._progress = progress
        self._table = table
        self._words = f"rung {table.rung + 1} of {table.rungs}: {method}"
        self._spent = spent

    def step(self, done: float, epoch: int, loss: float) -> None:
        """A step is taken in `epoch` + 1."""
        share = min(1.0, self._spent() / self._table.seconds)
        self._progress.step(share, self._table.rung, loss, f"{self._words}, epoch {epoch + 1}")

    def validated(self, epoch: int, metric: float, best: float, best_epoch: int) -> None:
        """An epoch was validated; the best of all methods is what clients show."""
        so_far = max(best, *(runner.dice for runner in self._table.runners))
        self._progress.validated(self._table.rung, metric, so_far, best_epoch)
