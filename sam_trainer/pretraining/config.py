"""Pre-training configuration: length, resolutions, learning rate, averaging of weights (EMA)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sam_trainer.errors import TrainingError
from sam_trainer.lessons.prompt_batch import BatchShape


@dataclass(frozen=True)
class Leg:
    """A part of a run at one resolution, up to `until` (share of the run)."""

    until: float
    shape: BatchShape


# Low resolution first: a quarter of the pixels teaches most of what there is to learn.
LEGS = (
    Leg(0.5, BatchShape(128, 4, 4)),
    Leg(0.75, BatchShape(192, 3, 4)),
    Leg(1.0, BatchShape(256, 2, 4)),
)

# For weights that can do most of it already: close to what is served, more scenes, fewer objects of each.
REFINING = (
    Leg(0.5, BatchShape(192, 3, 3)),
    Leg(1.0, BatchShape(256, 2, 4)),
)


@dataclass(frozen=True)
class PretrainConfig:
    """One run; `steps` counts if given, else `minutes`."""

    out: Path
    minutes: float = 2.0
    steps: int | None = None
    seed: int = 0
    processes: int = 1
    legs: tuple[Leg, ...] = LEGS
    lr: float = 1e-3
    weight_decay: float = 0.02
    warmup_steps: int = 200
    decay_share: float = 0.2
    ema_decay: float = 0.998
    answers: tuple[int, ...] = (3,)  # of a dialogue, taken in turn by the steps
    init: Path | None = None  # start from these weights
    resume: bool = False  # go on exactly where `out` stopped
    save_every_s: float = 300.0

    def __post_init__(self) -> None:
        if self.minutes <= 0 or (self.steps is not None and self.steps < 1):
            raise TrainingError("a run needs a positive number of minutes or steps")
        if not 0 < self.lr < 1:
            raise TrainingError(f"the learning rate must lie between 0 and 1, got {self.lr}")
        if not self.answers or min(self.answers) < 1:
            raise TrainingError("a dialogue needs at least one answer")
        if self.processes < 1:
            raise TrainingError(f"processes must be at least 1, got {self.processes}")
        if not self.legs or self.legs[-1].until < 1.0:
            raise TrainingError("the last leg must last until 1.0 of the run")
        if self.init is not None and self.resume:
            raise TrainingError("give either weights to start from or a run to resume, not both")

    def leg(self, progress: float) -> Leg:
        """The leg that `progress` (0..1) lies in."""
        return next((leg for leg in self.legs if progress < leg.until), self.legs[-1])
