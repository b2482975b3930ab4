"""Paired differences, their mean and 95 % interval: Student's t, or bootstrap.

Where pairs are few (seeds), the interval is Student's: a bootstrap is too narrow below ten. `drawn_again` is for many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # scipy.stats has the same as t.ppf, and takes a second to import

from sam_infer.arrays import Float64Array

RESAMPLES = 10_000
INTERVAL = (2.5, 97.5)

LEVEL = 0.95

GAIN, LOSS, NO_GAIN = "gain", "loss", "no gain"


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences with its interval."""

    mean: float
    low: float
    high: float
    pairs: int

    @property
    def verdict(self) -> str:
        """Gain or loss only where the interval leaves zero out."""
        if self.low > 0:
            return GAIN
        return LOSS if self.high < 0 else NO_GAIN

    @property
    def sentence(self) -> str:
        """For people."""
        return f"{self.verdict}: {self.mean:+.3f} (95 % CI {self.low:+.3f} to {self.high:+.3f}, {self.pairs} pairs)"


def difference(values: Sequence[float]) -> Difference:
    """The mean of differences (N,); a single one has no interval that leaves anything out."""
    array = np.asarray(values, np.float64)
    if not len(array):
        return Difference(0.0, float("-inf"), float("inf"), 0)
    mean = float(array.mean())
    if len(array) == 1:
        return Difference(mean, float("-inf"), float("inf"), 1)
    half = float(stdtrit(len(array) - 1, 0.5 + LEVEL / 2) * array.std(ddof=1) / np.sqrt(len(array)))
    return Difference(mean, mean - half, mean + half, len(array))


def crossed(values: Float64Array) -> Difference:
    """The mean of differences (draws, pairs) that vary with both: which cases were drawn, and which one is asked.

    Both variances count; degrees of freedom as Satterthwaite adds them.
    """
    draws, pairs = values.shape
    if draws == 1 or pairs == 1:
        return difference([float(value) for value in values.ravel()])
    mean = float(values.mean())
    parts = np.array([values.mean(axis=0).var(ddof=1) / pairs, values.mean(axis=1).var(ddof=1) / draws])
    total = float(parts.sum())
    freedom = total**2 / float((parts**2 / [pairs - 1, draws - 1]).sum()) if total else 1.0
    half = float(stdtrit(freedom, 0.5 + LEVEL / 2) * np.sqrt(total))
    return Difference(mean, mean - half, mean + half, pairs)


def drawn_again(values: Float64Array, times: int, seed: int = 0) -> Float64Array:
    """Means (times,) of values (N,) drawn with replacement."""
    picks = np.random.default_rng(seed).integers(0, len(values), (times, len(values)))
    return np.asarray(values[picks].mean(axis=1))


def area_under(budget: Sequence[float], value: Sequence[float], limit: float) -> float:
    """Mean height of a curve from zero to `limit`, linear between its points, flat beyond the last one."""
    x, y = np.asarray(budget, np.float64), np.asarray(value, np.float64)
    if limit <= x[0]:
        return float(y[0])
    inside = x < limit
    xs = np.append(x[inside], limit)
    ys = np.append(y[inside], np.interp(limit, x, y))
    return (
        float(np.trapezoid(ys, xs) / (limit - xs[0]))
        if hasattr(np, "trapezoid")
        else float(np.trapz(ys, xs) / (limit - xs[0]))
    )


@dataclass(frozen=True)
class Gain:
    """Mean difference over cases and its 95 % interval when cases are drawn again."""

    mean: float
    low: float
    high: float
    cases: int


def paired_gain(after: Mapping[str, Sequence[float]], before: Mapping[str, Sequence[float]], seed: int = 0) -> Gain:
    """Gain of `after` over `before`, values by case; every case counts once, however often it was asked.

    A case's values are means over its own questions first: questions about one patient are no independent evidence.
    """
    if after.keys() != before.keys() or not after:
        raise ValueError("both must have been asked about the same cases")
    differences = np.array([np.mean(after[case]) - np.mean(before[case]) for case in sorted(after)])
    low, high = np.percentile(drawn_again(differences, RESAMPLES, seed), INTERVAL)
    return Gain(float(differences.mean()), float(low), float(high), len(differences))
