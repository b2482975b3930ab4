"""Plan of the few-shot bench: counts of cases, methods, seeds, epochs."""

from __future__ import annotations

from dataclasses import dataclass

from sam_trainer.config import METHODS, TrainConfig
from sam_trainer.errors import TrainingError


@dataclass(frozen=True)
class Plan:
    """How much is trained and asked."""

    counts: tuple[int, ...] = (1, 2, 5, 10)
    methods: tuple[str, ...] = METHODS
    seeds: int = 3
    held_out: int = 20
    objects: int = 2  # per held-out case
    epochs: int = 8
    steps: int = 12
    semantic_steps: int = 5  # per step: head and U-Net come near what more of them would reach
    left_out_epochs: int = 4  # of each training with one case left out: there are many
    most_left_out: int = 4  # cases per folder
    unet_epochs: int | None = None  # None: as many as the others
    precision: str = TrainConfig.precision

    def config(self, method: str, seed: int) -> TrainConfig:
        """A training of the bench; nothing stops it early, as no case is left to watch."""
        return TrainConfig(
            method=method,
            epochs=self.epochs,
            steps=self.steps,
            semantic_steps=self.semantic_steps,
            patience=1000,
            precision=self.precision,
            seed=seed,
        )


def numbers(text: str) -> tuple[int, ...]:
    """Numbers of cases, as a command line gives them."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise TrainingError(f"cases must be numbers from 1 on, comma-separated, got {text!r}", "cases")
    return tuple(sorted({int(part) for part in parts}))


def choices(text: str) -> tuple[str, ...]:
    """Methods, as a command line gives them."""
    parts = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    strange = [part for part in parts if part not in METHODS]
    if strange or not parts:
        raise TrainingError(f"methods must be some of {', '.join(METHODS)}, got {text!r}", "methods")
    return parts
