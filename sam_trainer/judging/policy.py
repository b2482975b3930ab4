"""Acceptance policy: the settings of the gate that say when a candidate adapter may serve."""

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
