"""Learning curve: a power law of Dice over the number of labels, fitted per structure, with a forecast.

`dice(n) = best - gap * (n + 1) ** -rate`. Every adapter that was judged is a point: the cases that taught it, and its
Dice on cases that did not. A forecast says how far it may be off, and that it cannot tell where points are too few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import Float64Array

LEAST_POINTS = 4

# A forecast beyond so many times the cases seen is a guess.
FARTHEST = 20


@dataclass(frozen=True)
class LearningCurve:
    """A fitted power law."""

    best: float
    gap: float
    rate: float
    spread: float  # standard deviation of points around it
    most: int  # cases of the last point

    def at(self, cases: float) -> float:
        """Dice after so many cases."""
        return float(self.best - self.gap * (cases + 1.0) ** -self.rate)

    def between(self, cases: float) -> tuple[float, float]:
        """Where nine of ten measurements would lie."""
        return self.at(cases) - 1.645 * self.spread, self.at(cases) + 1.645 * self.spread

    def more_until(self, goal: float) -> int | None:
        """Cases to label until the curve reaches `goal`; None where it does not, or too far away to say."""
        if self.at(self.most) >= goal:
            return 0
        if self.best <= goal or self.gap <= 0 or self.rate <= 0:
            return None
        needed = (self.gap / (self.best - goal)) ** (1 / self.rate) - 1
        return int(np.ceil(needed - self.most)) if needed <= FARTHEST * max(self.most, 1) else None

    def sentence(self, goal: float) -> str:
        """The forecast for people."""
        more = self.more_until(goal)
        if more == 0:
            return f"{goal:.2f} is reached"
        if more is None:
            return f"{goal:.2f} is not in sight on this curve"
        return f"about {more} more cases to {goal:.2f}"


def fitted(cases: Sequence[float], dice: Sequence[float]) -> LearningCurve | None:
    """The curve through points, or None where they are too few or too alike to say."""
    x, y = np.asarray(cases, np.float64), np.asarray(dice, np.float64)
    if len(x) < LEAST_POINTS or len(np.unique(x)) < 3:
        return None

    def law(n: Float64Array, best: float, gap: float, rate: float) -> Float64Array:
        return np.asarray(best - gap * (n + 1.0) ** -rate)

    start = (min(float(y.max()) + 0.02, 1.0), max(float(np.ptp(y)), 0.02), 0.5)
    try:
        from scipy.optimize import curve_fit  # here: no start needs it, and it takes a moment

        found, _ = curve_fit(law, x, y, start, bounds=((0, 0, 0.05), (1.0, 2.0, 3.0)), maxfev=5000)
    except (RuntimeError, ValueError):  # no optimum
        return None
    best, gap, rate = (float(v) for v in found)
    freedom = max(len(x) - 3, 1)
    spread = float(np.sqrt(((y - law(x, best, gap, rate)) ** 2).sum() / freedom))
    return LearningCurve(best, gap, rate, spread, int(x.max()))
