"""How far choosing cases may go: what an unnamed wish gets, how many are drawn to compare with, when it gives way."""

from __future__ import annotations

from dataclasses import dataclass

from sam_trainer.active.strategies import HYBRID, STRATEGIES
from sam_trainer.errors import TrainingError


@dataclass(frozen=True)
class SelectionPolicy:
    """When a case is chosen, and when it is drawn."""

    random_is: str = HYBRID  # strategy for those who can only ask for `random`
    control_share: float = 0.2  # of the cases that would be chosen: drawn instead, to say what choosing is worth
    fallback: bool = True  # draw all of them where choosing was measured not to help

    def __post_init__(self) -> None:
        if self.random_is not in STRATEGIES:
            known = ", ".join(STRATEGIES)
            raise TrainingError(f"random_is must be one of {known}, got {self.random_is!r}", "random_is")
        if not 0 <= self.control_share <= 1:
            raise TrainingError(f"control_share must be from 0 to 1, got {self.control_share}", "control_share")
