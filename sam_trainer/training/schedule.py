"""Learning-rate schedule: warm-up, hold, decay; the hold can be cut short or prolonged at any time."""

from __future__ import annotations

from dataclasses import dataclass

WARMUP_STEPS = 200


@dataclass(frozen=True)
class Schedule:
    """Factor on the peak learning rate; `decay_share` of the run falls linearly to nothing."""

    decay_share: float = 0.2
    warmup_steps: int = WARMUP_STEPS

    def factor(self, step: int, progress: float) -> float:
        """At `step`, when `progress` (0..1) of the run is done."""
        warm = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        left = max(0.0, 1.0 - progress)
        fall = min(1.0, left / self.decay_share) if self.decay_share else 1.0
        return warm * fall
