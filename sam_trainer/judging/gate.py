"""The gate, a model acceptance test: candidate against incumbent on held-out cases, with bootstrap intervals.

The reader is the one of `samlabel bench clicks`: each click goes to the largest error of the answer before. Cases
count equally, however many objects are asked of them; intervals come from drawing whole cases again, both networks'
answers to one case together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np

from sam_infer.imaging.volume import Volume
from sam_infer.slices.predictor import Predictor
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.cases import Case, Target, case_tags, labelled_image, targets_of
from sam_trainer.measures.overlap import dice
from sam_trainer.measures.paired import drawn_again
from sam_trainer.simulation.session import GOALS, Method, clicks_until, session

# Answers that are judged: after so many clicks.
AFTER = (1, 3, 5)

# Of the bootstrap: a gain that is above the lower bound is above it with 95 % confidence.
BOUNDS, RESAMPLES = (5.0, 95.0), 2000


@dataclass(frozen=True)
class Score:
    """How well one object was segmented after 1, 3 and 5 clicks."""

    case: str
    label: str
    object: str
    dice: tuple[float, ...]
    noc85: int | None = None  # clicks until a Dice of 0.85, or all that were made; None where it was not counted


@dataclass(frozen=True)
class SemanticScore:
    """How well one label of one case was segmented without a prompt."""

    case: str
    label: str
    dice: float


@dataclass(frozen=True)
class Semantic:
    """What both networks' semantic heads did on the same cases; nothing where one has none."""

    incumbent: Sequence[SemanticScore] = ()
    candidate: Sequence[SemanticScore] = ()


@dataclass(frozen=True)
class Interval:
    """A mean difference over cases, and between what it lies with 90 % confidence."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may serve, and why."""

    promote: bool
    reason: str
    cases: int
    gain: float  # mean difference of Dice over cases and clicks; 0 without a case
    labels: dict[str, float]  # mean difference per label
    incumbent: dict[str, float]  # mean Dice after so many clicks, clicks until 0.85, Dice without a prompt
    candidate: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)  # of `gain`, and of every label
    rows: tuple[dict[str, Any], ...] = ()  # per object, both in the order of AFTER

    def facts(self) -> dict[str, Any]:
        """For the file beside the adapter."""
        return asdict(self)


def examine(
    predictor: Predictor,
    cases: Sequence[Case],
    objects: int,
    pause: Callable[[], None] = lambda: None,
    clicks: int = AFTER[-1],
) -> list[Score]:
    """A network's scores on cases, at most `objects` of each; `pause` is called between objects.

    Every case is answered by the part for its own tags, as a reader of it would be.
    """
    found = []
    for case in cases:
        volume, _ = labelled_image(case)
        asked = predictor.about(partial(case_tags, case, volume))
        for target in _chosen(targets_of(case), objects):
            pause()
            masks = session(target.mask, _answers(asked, volume, target), clicks)
            marks = [round(dice(mask, target.mask), 5) for mask in masks]
            noc85 = clicks_until(marks, GOALS["noc85"])
            found.append(Score(case.name, target.label, target.key, tuple(marks[n - 1] for n in AFTER), noc85))
    return found


def _answers(predictor: Predictor, volume: Volume, target: Target) -> Method:
    """What the network says to prompts on the target's slice."""
    return lambda prompts: predictor.predict(volume, prompts.on(target.view), target.view.index).pixels


def judge(
    incumbent: Sequence[Score], candidate: Sequence[Score], policy: GatePolicy, semantic: Semantic | None = None
) -> Verdict:
    """Compare the scores of two networks on the same objects."""
    if [score.object for score in incumbent] != [score.object for score in candidate]:
        raise ValueError("both networks must be asked the same objects")
    pairs = list(zip(incumbent, candidate, strict=True))
    cases = len({score.case for score in incumbent})
    gain = interval([(c.case, _mean(c.dice) - _mean(i.dice)) for i, c in pairs])
    labels = {
        label: interval([(c.case, _mean(c.dice) - _mean(i.dice)) for i, c in pairs if c.label == label])
        for label in sorted({score.label for score in incumbent})
    }
    semantic = semantic or Semantic()
    unprompted = _unprompted(semantic)
    promote, reason = _decision(cases, gain, {**labels, **unprompted}, policy)
    rows = tuple(
        {"case": c.case, "label": c.label, "object": c.object, "incumbent": i.dice, "candidate": c.dice}
        for i, c in pairs
    )
    means = {label: round(found.mean, 5) for label, found in labels.items()}
    before, after = _figures(incumbent, semantic.incumbent), _figures(candidate, semantic.candidate)
    told = {"gain": gain, **labels, **unprompted}
    intervals = {name: (round(found.low, 5), round(found.high, 5)) for name, found in told.items()}
    return Verdict(promote, reason, cases, round(gain.mean, 5), means, before, after, intervals, rows)


def _decision(cases: int, gain: Interval, labels: dict[str, Interval], policy: GatePolicy) -> tuple[bool, str]:
    if cases < policy.held_out_cases:
        return False, (
            f"{cases} held-out case{'s' if cases != 1 else ''} with an object to click on, {policy.held_out_cases} "
            "are needed: kept as a candidate; promote it by hand, or label more cases"
        )
    worst = min(labels, key=lambda label: labels[label].mean)
    if gain.mean < policy.least_gain:
        return False, (
            f"not better than what serves: Dice {gain.mean:+.4f} on {cases} held-out cases, "
            f"{policy.least_gain:+} is needed"
        )
    if labels[worst].mean < -policy.margin:
        return False, f"{worst} would lose {-labels[worst].mean:.3f} Dice, more than the {policy.margin} allowed"
    if policy.certain and gain.low < 0:
        return False, (
            f"better by {gain.mean:.3f} Dice on {cases} held-out cases, but that may be chance (from {gain.low:+.3f} "
            f"to {gain.high:+.3f}): kept as a candidate; promote it by hand, or label more cases"
        )
    if not policy.promote:
        return False, f"better by {gain.mean:.3f} Dice on {cases} held-out cases; promotion is left to a person"
    return (
        True,
        f"better by {gain.mean:.3f} Dice on {cases} held-out cases, no label worse by more than {policy.margin}",
    )


def _unprompted(semantic: Semantic) -> dict[str, Interval]:
    """The differences per label without a prompt, where both networks answered."""
    before = {(score.case, score.label): score.dice for score in semantic.incumbent}
    both = [score for score in semantic.candidate if (score.case, score.label) in before]
    return {
        f"{label} without a prompt": interval(
            [(s.case, s.dice - before[s.case, s.label]) for s in both if s.label == label]
        )
        for label in sorted({score.label for score in both})
    }


def interval(values: Sequence[tuple[str, float]]) -> Interval:
    """The mean over cases of (case, value), with bounds from drawing whole cases again."""
    cases = np.array(_case_means(values), np.float64)
    if not len(cases):
        return Interval(0.0, 0.0, 0.0)
    low, high = np.percentile(drawn_again(cases, RESAMPLES), BOUNDS)
    return Interval(float(cases.mean()), float(low), float(high))


def _chosen(targets: Sequence[Target], most: int) -> list[Target]:
    """At most so many, spread evenly over the labels and slices."""
    if len(targets) <= most:
        return list(targets)
    return [targets[int((n + 0.5) * len(targets) / most)] for n in range(most)]


def overall(scores: Sequence[Score]) -> float:
    """Mean Dice over cases and clicks; 0 without a score."""
    return _by_case([(score.case, _mean(score.dice)) for score in scores])


def _by_case(values: Sequence[tuple[str, float]]) -> float:
    """Mean over cases of the mean over their values."""
    return _mean(_case_means(values))


def _case_means(values: Sequence[tuple[str, float]]) -> list[float]:
    cases: dict[str, list[float]] = {}
    for case, value in values:
        cases.setdefault(case, []).append(value)
    return [_mean(found) for found in cases.values()]


def _figures(scores: Sequence[Score], semantic: Sequence[SemanticScore]) -> dict[str, float]:
    figures = {
        f"dice_{clicks}_click{'s' if clicks > 1 else ''}": _by_case([(s.case, s.dice[n]) for s in scores])
        for n, clicks in enumerate(AFTER)
    }
    counted = [(s.case, float(s.noc85)) for s in scores if s.noc85 is not None]
    figures |= {"noc85": _by_case(counted)} if counted else {}
    figures |= {"dice_semantic": _by_case([(s.case, s.dice) for s in semantic])} if semantic else {}
    return {name: round(value, 5) for name, value in figures.items()}


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
