"""What a reader asks for who wants another case, and what is offered: two values, and the facts that clients get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wish:
    """Somebody wants a case."""

    strategy: str
    reader: str
    seed: int | None = None  # decides the draws; without one the reader and the number of labels do


@dataclass(frozen=True)
class Offer:
    """One case that a reader may be sent to, and why."""

    case: str
    asked: str  # the strategy that was asked for
    strategy: str  # the one that decided, after any fallback
    arm: str  # active, control, or plain where nothing is compared
    reason: str  # for people
    adapter: str  # that the score is of; without a score the one that serves
    score: float | None = None
    slices: tuple[int, ...] = ()  # to look at first
    scored: bool = False

    def facts(self) -> dict[str, Any]:
        """The offer as clients get it."""
        return {
            "id": self.case,
            "score": self.score,
            "why": self.reason,
            "asked": self.asked,
            "chosen_by": self.strategy,
            "arm": self.arm,
            "adapter": self.adapter,
            "slices": list(self.slices),
            "scored": self.scored,
        }
