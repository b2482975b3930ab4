"""How much better one thing is than another on the same questions, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sam_trainer.measures.paired import drawn_again

RESAMPLES = 10_000
INTERVAL = (2.5, 97.5)


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
