"""Correlation of every measure of doubt with the true error, measured and kept in `error_correlation.json`.

The file is made of what the project measured (`make figures` renews it from benchmarks/results): per pool of cases the
rank correlation of doubt and error over volumes, with its 95 % interval. A measure has worth where the interval lies
above 0 in every pool; one that has none is not offered by name, and whoever names it is told why. `adapters` and
`semantic` need adapters of one's own: nobody has measured them here, and they are offered as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sam_infer.errors import PromptError
from sam_infer.uncertainty.measures import ADAPTERS, MEASURES, SEMANTIC

CORRELATIONS = Path(__file__).with_name("error_correlation.json")

OF_ONES_OWN = (ADAPTERS, SEMANTIC)


@dataclass(frozen=True)
class ErrorCorrelation:
    """What one pool of cases says about a measure."""

    pool: str
    spearman: float
    low: float
    high: float

    @property
    def sentence(self) -> str:
        """The figure for people."""
        return f"{self.spearman:+.2f} ({self.low:+.2f} to {self.high:+.2f}) on {self.pool}"


@cache
def correlations() -> Mapping[str, tuple[ErrorCorrelation, ...]]:
    """By measure, what the pools say."""
    told = json.loads(CORRELATIONS.read_text())["measures"]
    return {name: tuple(ErrorCorrelation(**one) for one in found) for name, found in told.items()}


def has_worth(name: str) -> bool:
    """Whether a measure is offered by name."""
    found = correlations().get(name, ())
    return name in OF_ONES_OWN or (bool(found) and all(one.low > 0 for one in found))


def offered() -> tuple[str, ...]:
    """The measures that may be asked for by name."""
    return tuple(name for name in MEASURES if has_worth(name))


def require_worth(name: str, key: str, instead: tuple[str, ...]) -> str:
    """The name of a known measure, or a refusal that says what was measured and what to take instead."""
    if has_worth(name):
        return name
    found = correlations().get(name, ())
    measured = f"it follows the true error by {', '.join(one.sentence for one in found)}" if found else "not measured"
    raise PromptError(f"{key} {name} is not offered, as it has no proven worth ({measured}): {_one_of(instead)}", key)


def checked_method(name: str) -> str:
    """The name of a measure that is worth asking for, or a refusal that lists them."""
    if name not in MEASURES:
        raise PromptError(f"method must be one of {', '.join(offered())}, got {name!r}", "method")
    return require_worth(name, "method", offered())


def _one_of(names: tuple[str, ...]) -> str:
    return f"take {names[0]}" if len(names) == 1 else f"take one of {', '.join(names)}"
