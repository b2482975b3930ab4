"""Aggregates measurements of single objects into the rows of a table, with cluster bootstrap intervals.

A source's figure is the mean over its objects; the headline, row `source = "mean"`, is the unweighted mean over
headline sources. Confidence intervals come from a cluster bootstrap: whole cases (patients) are drawn again within
their source, since slices and objects of one patient are not independent. A source of one case has no width.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sam_infer.arrays import Float64Array
from sam_trainer.labels.cases import Target

Row = dict[str, Any]
Keys = tuple[tuple[str, Any], ...]

MEAN, ALL = "mean", "all"

RESAMPLES = 1000
INTERVAL = (2.5, 97.5)
DIGITS = 4


@dataclass(frozen=True)
class Observation:
    """What was measured on one object under one condition."""

    source: str
    case: str
    label: str
    modality: str
    headline: bool
    keys: Keys  # the condition, e.g. (("strategy", "S5"), ("rule", "oracle"))
    values: Mapping[str, float]


def observation(target: Target, headline: bool, keys: Mapping[str, Any], values: Mapping[str, float]) -> Observation:
    """A measurement of an object."""
    case = target.case
    return Observation(
        case.source, case.name, target.label, modality_group(case.modality), headline, tuple(keys.items()), values
    )


def plain_observations(seen: Iterable[Observation]) -> list[dict[str, Any]]:
    """Measurements as JSON keeps them."""
    return [{**vars(one), "keys": [list(pair) for pair in one.keys], "values": dict(one.values)} for one in seen]


def read_observations(plain: Iterable[Mapping[str, Any]]) -> list[Observation]:
    """What `plain_observations` gave."""
    return [Observation(**{**one, "keys": tuple((name, value) for name, value in one["keys"])}) for one in plain]


def modality_group(name: str) -> str:
    """One word per kind of scanner: every MR sequence is MR."""
    kind = name.split(" (")[0]
    return next((short for short in ("MR", "CT") if kind.upper().startswith(short)), kind)


def table(observations: Sequence[Observation], interval_of: str = "dice", seed: int = 0) -> list[Row]:
    """Rows per label, source and modality of every condition; a mean row per condition closes the table."""
    conditions: dict[Keys, list[Observation]] = defaultdict(list)
    for seen in observations:
        conditions[seen.keys].append(seen)
    groups = (_label_rows, _source_rows, _modality_rows, _mean_rows)
    return [
        row for group in groups for keys, seen in conditions.items() for row in group(keys, seen, interval_of, seed)
    ]


def _label_rows(keys: Keys, seen: list[Observation], interval_of: str, seed: int) -> Iterable[Row]:
    for (source, label, modality), some in _by(seen, "source", "label", "modality").items():
        yield _row(source, label, modality, keys, some)


def _source_rows(keys: Keys, seen: list[Observation], interval_of: str, seed: int) -> Iterable[Row]:
    for (source,), some in _by(seen, "source").items():
        row = _row(source, ALL, ALL, keys, some)
        yield {**row, **_interval(some, interval_of, seed), "headline": some[0].headline}


def _modality_rows(keys: Keys, seen: list[Observation], interval_of: str, seed: int) -> Iterable[Row]:
    for (modality,), some in _by(seen, "modality").items():
        yield {**_row(ALL, ALL, modality, keys, some), **_interval(some, interval_of, seed)}


def _mean_rows(keys: Keys, seen: list[Observation], interval_of: str, seed: int) -> Iterable[Row]:
    some = [s for s in seen if s.headline] or seen
    sources = len({s.source for s in some})
    yield {**_row(MEAN, ALL, ALL, keys, some), **_interval(some, interval_of, seed), "sources": sources}


def _row(source: str, label: str, modality: str, keys: Keys, seen: list[Observation]) -> Row:
    names = list(dict.fromkeys(name for s in seen for name in s.values))
    means = {name: round(mean_over_sources(seen, name), DIGITS) for name in names}
    return {"source": source, "label": label, "modality": modality, **dict(keys), "n": len(seen), **means}


def mean_over_sources(seen: Sequence[Observation], name: str) -> float:
    """The unweighted mean over sources of the mean over their objects."""
    having = [s for s in seen if name in s.values]
    return float(np.mean([np.mean([s.values[name] for s in some]) for some in _by(having, "source").values()]))


def _interval(seen: Sequence[Observation], name: str, seed: int) -> Row:
    """Bounds of the mean over sources when cases are drawn again within each source."""
    having = [s for s in seen if name in s.values]
    if not having:
        return {}
    rng = np.random.default_rng(seed)
    drawn = [_resampled(some, name, rng) for some in _by(having, "source").values()]
    low, high = np.percentile(np.mean(drawn, axis=0), INTERVAL)
    return {"ci_low": round(float(low), DIGITS), "ci_high": round(float(high), DIGITS)}


def _resampled(seen: list[Observation], name: str, rng: np.random.Generator) -> Float64Array:
    """The source's mean (RESAMPLES,) over cases drawn with replacement."""
    cases = _by(seen, "case").values()
    sums = np.array([sum(s.values[name] for s in case) for case in cases])
    counts = np.array([len(case) for case in cases])
    picks = rng.integers(0, len(counts), (RESAMPLES, len(counts)))
    return np.asarray(sums[picks].sum(axis=1) / counts[picks].sum(axis=1))


def _by(seen: Sequence[Observation], *fields: str) -> dict[tuple[Any, ...], list[Observation]]:
    groups: dict[tuple[Any, ...], list[Observation]] = defaultdict(list)
    for s in seen:
        groups[tuple(getattr(s, field) for field in fields)].append(s)
    return groups
