"""Uncertainty bench: correlation of scores with the true error, and calibration of the probabilities.

Every case gets automatic labels from other accepted cases; each measure's score is compared with their true error, one
minus Dice, over volumes and over slices. A network that is sure of what it gets wrong has a correlation of zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from scipy import stats

from sam_infer.arrays import Float64Array, UInt8Array
from sam_infer.automatic.example import AcceptedCase
from sam_infer.errors import PromptError, VolumeError
from sam_infer.imaging.canonical_view import CanonicalView
from sam_infer.imaging.volume import Mask
from sam_infer.lru_cache import LruCache
from sam_infer.networks.backbone import Backbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.case_score import Scorer, ScoreSettings, Seen
from sam_infer.uncertainty.measures import ADAPTERS, MEASURES, PROMPTS, SEMANTIC, VIEWS
from sam_trainer.labels.cases import Case, labelled_image, slice_axis
from sam_trainer.measures.overlap import dice
from sam_trainer.reports.journal import Journal
from sam_trainer.reports.table import Row

RESAMPLES = 1000

# Fewer have no correlation.
FEWEST = 4

# All that need no other adapters; `views` costs three encodes per slice.
MEASURED = tuple(name for name in MEASURES if name not in (ADAPTERS, SEMANTIC))


@dataclass(frozen=True)
class Judged:
    """One case or slice: its true error, and the doubt of every measure."""

    source: str
    case: str
    error: float
    doubt: Mapping[str, float]


@dataclass
class Findings:
    """What was measured on volumes and on slices."""

    volumes: list[Judged] = field(default_factory=list)
    slices: list[Judged] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # a sentence each


@dataclass(frozen=True, eq=False)
class Question:
    """A case, and the accepted cases that may teach about it."""

    case: Case
    teachers: Sequence[Case]
    labels: Mapping[int, str] = field(default_factory=dict)  # that are asked for; none means all


def measure(backbone: Backbone, questions: Sequence[Question], slices: int, journal: Journal | None = None) -> Findings:
    """Scores and errors of all cases; one that cannot be answered is left out and said."""
    predictor, memo, found = Predictor(backbone, EmbeddingCache(1 << 30)), LruCache(64), Findings()
    ready: dict[tuple[str, str], AcceptedCase] = {}
    named, kept = {f"uncertainty: {q.case.source}/{q.case.name}": q for q in questions}, journal or Journal()
    kept.expect(list(named))

    def work(question: Question) -> dict[str, Any]:
        try:
            teachers = [_canonical(case, ready, slices) for case in question.teachers]
            volume, slice_rows = _judged(predictor, question, teachers, slices, memo)
        except (PromptError, VolumeError) as error:
            return {"left_out": f"{question.case.name}: {error}"}
        return {"volume": vars(volume), "slices": [vars(row) for row in slice_rows]}

    for key, question in named.items():
        said = kept.unit(key, partial(work, question))
        if "left_out" in said:
            found.left_out.append(said["left_out"])
        else:
            found.volumes.append(Judged(**said["volume"]))
            found.slices += [Judged(**row) for row in said["slices"]]
    return found


def _judged(
    predictor: Predictor, question: Question, teachers: Sequence[AcceptedCase], slices: int, memo: LruCache
) -> tuple[Judged, list[Judged]]:
    case, asked = question.case, question.labels or question.case.labels
    volume, truth = labelled_image(case)
    axis = slice_axis(volume.geometry)
    view = CanonicalView.of(volume, axis, slices)
    part, wanted = view.volume(volume), view.mask(truth)
    names = tuple(asked.values()) or tuple(f"label {v}" for v in truth.values())
    values = tuple(asked) or tuple(truth.values())
    wanted = _renumbered(wanted, values)
    fitting = [AcceptedCase(t.volume, _renumbered(t.labels, values)) for t in teachers]
    scorer = Scorer(predictor, names, fitting, ScoreSettings(kinds=(PROMPTS, VIEWS)), memo=memo)
    found = scorer.automatic(part, axis)
    seen = scorer.seen(part, view, found)
    doubts: dict[str, float] = {}
    per_slice: dict[int, dict[str, float]] = {}
    for method in (name for name in MEASURED if _can_be_told(name, seen)):
        measured = [replace(one, value=MEASURES[method](one.evidence).value) for one in seen]
        doubts[method] = float(np.mean(list(scorer.per_label(measured).values()) or [1.0]))
        for one in measured:
            here = per_slice.setdefault(one.number, {})
            here[method] = max(here.get(method, 0.0), one.value)
    used = range(1, len(names) + 1)
    error = _error(found.array, wanted.array, used)
    rows = [
        Judged(
            case.source,
            case.name,
            _error(part.view(axis, n).extract(found.array), part.view(axis, n).extract(wanted.array), used),
            doubt,
        )
        for n, doubt in sorted(per_slice.items())
    ]
    return Judged(case.source, case.name, error, doubts), rows


def _can_be_told(method: str, seen: Sequence[Seen]) -> bool:
    """Whether there is what a measure goes by: one accepted case has no usual size."""
    return (method != "size" or all(one.evidence.size_off is not None for one in seen)) and (
        method != "expectation" or all(one.evidence.overlap is not None for one in seen)
    )


def _error(found: UInt8Array, truth: UInt8Array, values: range) -> float:
    """One minus the mean Dice of the labels that are in either."""
    present = [v for v in values if (found == v).any() or (truth == v).any()]
    return 1.0 - float(np.mean([dice(found == v, truth == v) for v in present])) if present else 0.0


def _canonical(case: Case, ready: dict[tuple[str, str], AcceptedCase], slices: int) -> AcceptedCase:
    key = (case.source, case.name)
    if key not in ready:
        volume, mask = labelled_image(case)
        view = CanonicalView.of(volume, slice_axis(volume.geometry), 2 * slices)
        ready[key] = AcceptedCase(view.volume(volume), view.mask(mask))
    return ready[key]


def _renumbered(mask: Mask, values: Sequence[int]) -> Mask:
    """The labels that are asked for, as 1..n in their order."""
    table = np.zeros(256, np.uint8)
    for number, value in enumerate(values, 1):
        table[value] = number
    return Mask(np.asfortranarray(table[mask.array]), mask.geometry)


def rows(found: Findings, pool: str, seed: int) -> Iterator[Row]:
    """Rank correlations with an interval from drawing whole cases again.

    Over volumes of several folders a measure also gets credit for telling easy folders from hard ones; what it knows
    about the cases of one folder stands in the rows of unit `folder`.
    """
    units = [("volume", found.volumes), ("slice", found.slices), ("folder", within_sources(found.volumes))]
    for unit, judged in units:
        for method in MEASURED:
            told = [one for one in judged if method in one.doubt]
            if len(told) < FEWEST:
                continue
            value, low, high = correlation(told, method, seed)
            yield {
                "pool": pool,
                "unit": unit,
                "method": method,
                "spearman": value,
                "ci_low": low,
                "ci_high": high,
                "n": len(told),
                "cases": len({(j.source, j.case) for j in told}),
                **({"mean_error": round(float(np.mean([j.error for j in told])), 4)} if unit != "folder" else {}),
            }


def within_sources(judged: Sequence[Judged]) -> list[Judged]:
    """Cases with their ranks inside their own source, centred; nothing where there is only one source."""
    sources = {one.source for one in judged}
    if len(sources) < 2:
        return []
    found = []
    for source in sorted(sources):
        mine = [one for one in judged if one.source == source]
        methods = sorted(set.intersection(*(set(one.doubt) for one in mine)))
        errors = _centred([one.error for one in mine])
        ranks = {method: _centred([one.doubt[method] for one in mine]) for method in methods}
        found += [
            replace(one, error=errors[n], doubt={method: ranks[method][n] for method in methods})
            for n, one in enumerate(mine)
        ]
    return found


def _centred(values: Sequence[float]) -> list[float]:
    ranks = stats.rankdata(values)
    return [float(rank) for rank in ranks - ranks.mean()]


def correlation(judged: Sequence[Judged], method: str, seed: int = 0) -> tuple[float, float, float]:
    """Spearman's correlation of doubt and error, with a 95 % interval over cases."""
    cases: dict[tuple[str, str], list[int]] = {}
    for number, one in enumerate(judged):
        cases.setdefault((one.source, one.case), []).append(number)
    doubt, error = (np.array(v) for v in ([j.doubt[method] for j in judged], [j.error for j in judged]))
    rng, groups, drawn = np.random.default_rng(seed), list(cases.values()), []
    for _ in range(RESAMPLES):
        picks = np.concatenate([groups[n] for n in rng.integers(0, len(groups), len(groups))])
        drawn.append(_spearman(doubt[picks], error[picks]))
    low, high = np.percentile(drawn, (2.5, 97.5))
    return round(_spearman(doubt, error), 4), round(float(low), 4), round(float(high), 4)


def _spearman(x: Float64Array, y: Float64Array) -> float:
    if len(np.unique(x)) < 2 or len(np.unique(y)) < 2:
        return 0.0
    return float(stats.spearmanr(x, y).statistic)
