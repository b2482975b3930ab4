"""Acceptance policy: the settings of the gate and of the alarm: when an adapter may serve, when one is doubted."""

from __future__ import annotations

from dataclasses import dataclass

from sam_trainer.errors import TrainingError


@dataclass(frozen=True)
class GatePolicy:
    """When a candidate may take the incumbent's place."""

    held_out_cases: int = 3  # with fewer nothing is promoted but by hand
    least_gain: float = 0.002  # smaller differences of mean Dice are noise
    margin: float = 0.02  # no label's Dice may fall by more than this
    objects_per_case: int = 8
    clicks: int = 10  # that are made on each, to count how many are needed
    certain: bool = True  # a gain that may be chance does not promote
    promote: bool = True  # False: judge, but leave the promotion to a person

    def __post_init__(self) -> None:
        if self.held_out_cases < 1 or self.objects_per_case < 1:
            raise TrainingError("the gate needs at least one held-out case and one object", "held_out_cases")
        if not 5 <= self.clicks <= 50:
            raise TrainingError(f"clicks must be from 5 to 50, got {self.clicks}", "clicks")
        for name in ("margin", "least_gain"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} must be from 0 to 1, got {getattr(self, name)}", name)


@dataclass(frozen=True)
class WatchPolicy:
    """When more corrections are more than chance, and what follows."""

    cases: int = 5  # accepted labels before and after the promotion that are needed
    rise: float = 0.05  # of the mean edit distance; less is not worth an alarm
    confidence: float = 0.95
    rollback: bool = False  # go back to what served before, without asking

    def __post_init__(self) -> None:
        if self.cases < 2:
            raise TrainingError(f"an alarm needs at least 2 cases, got {self.cases}", "cases")
        if not 0 <= self.rise <= 1 or not 0.5 <= self.confidence < 1:
            raise TrainingError("rise must be from 0 to 1 and confidence from 0.5 to below 1", "rise")
