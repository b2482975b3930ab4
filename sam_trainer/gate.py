"""May a candidate serve? It answers the same simulated reader as the incumbent, on cases that taught neither.

The reader is the one of `samlabel bench clicks`: each click goes to the largest error of the answer before. Cases
count equally, however many objects are asked of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sam_infer.predictor import Predictor
from sam_infer.volume import Volume
from sam_trainer.bench.clicks import Method, session
from sam_trainer.lessons import labelled_image
from sam_trainer.metrics import dice
from sam_trainer.studies import Case, Target, targets_of
from sam_trainer.train_config import GatePolicy

# Answers that are judged: after so many clicks.
AFTER = (1, 3, 5)


class StoppedError(Exception):
    """Somebody asked for an end; what was found so far is kept."""


@dataclass(frozen=True)
class Score:
    """How well one object was segmented after 1, 3 and 5 clicks."""

    case: str
    label: str
    object: str
    dice: tuple[float, ...]


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate may serve, and why."""

    promote: bool
    reason: str
    cases: int
    gain: float  # mean difference of Dice over cases and clicks; 0 without a case
    labels: dict[str, float]  # mean difference per label
    incumbent: dict[str, float]  # mean Dice after so many clicks
    candidate: dict[str, float]
    rows: tuple[dict[str, Any], ...] = ()  # per object, both in the order of AFTER

    def facts(self) -> dict[str, Any]:
        """For the file beside the adapter."""
        return asdict(self)


def examine(
    predictor: Predictor, cases: Sequence[Case], objects: int, pause: Callable[[], None] = lambda: None
) -> list[Score]:
    """A network's scores on cases, at most `objects` of each; `pause` is called between objects."""
    found = []
    for case in cases:
        volume, _ = labelled_image(case)
        for target in _chosen(targets_of(case), objects):
            pause()
            masks = session(target.mask, _answers(predictor, volume, target), max(AFTER))
            marks = tuple(round(dice(masks[n - 1], target.mask), 5) for n in AFTER)
            found.append(Score(case.name, target.label, target.key, marks))
    return found


def _answers(predictor: Predictor, volume: Volume, target: Target) -> Method:
    """What the network says to prompts on the target's slice."""
    return lambda prompts: predictor.predict(volume, prompts.on(target.view), target.view.index).pixels


def judge(incumbent: Sequence[Score], candidate: Sequence[Score], policy: GatePolicy) -> Verdict:
    """Compare the scores of two networks on the same objects."""
    if [score.object for score in incumbent] != [score.object for score in candidate]:
        raise ValueError("both networks must be asked the same objects")
    cases = len({score.case for score in incumbent})
    gain = _by_case([(c.case, _mean(c.dice) - _mean(i.dice)) for i, c in zip(incumbent, candidate, strict=True)])
    labels = {
        label: round(_by_case([(c.case, _mean(c.dice) - _mean(i.dice))
                               for i, c in zip(incumbent, candidate, strict=True) if c.label == label]), 5)
        for label in sorted({score.label for score in incumbent})
    }  # fmt: skip
    promote, reason = _decision(cases, gain, labels, policy)
    rows = tuple(
        {"case": c.case, "label": c.label, "object": c.object, "incumbent": i.dice, "candidate": c.dice}
        for i, c in zip(incumbent, candidate, strict=True)
    )
    return Verdict(promote, reason, cases, round(gain, 5), labels, _after(incumbent), _after(candidate), rows)


def _decision(cases: int, gain: float, labels: dict[str, float], policy: GatePolicy) -> tuple[bool, str]:
    if cases < policy.held_out_cases:
        return False, (
            f"{cases} held-out case{'s' if cases != 1 else ''} with an object to click on, {policy.held_out_cases} "
            "are needed: kept as a candidate; promote it by hand, or label more cases"
        )
    worst = min(labels, key=lambda label: labels[label])
    if gain < policy.least_gain:
        return False, (
            f"not better than what serves: Dice {gain:+.4f} on {cases} held-out cases, {policy.least_gain:+} is needed"
        )
    if labels[worst] < -policy.margin:
        return False, f"{worst} would lose {-labels[worst]:.3f} Dice, more than the {policy.margin} allowed"
    if not policy.promote:
        return False, f"better by {gain:.3f} Dice on {cases} held-out cases; promotion is left to a person"
    return True, f"better by {gain:.3f} Dice on {cases} held-out cases, no label worse by more than {policy.margin}"


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
    cases: dict[str, list[float]] = {}
    for case, value in values:
        cases.setdefault(case, []).append(value)
    return _mean([_mean(found) for found in cases.values()])


def _after(scores: Sequence[Score]) -> dict[str, float]:
    return {
        f"dice_{clicks}_click{'s' if clicks > 1 else ''}": round(_by_case([(s.case, s.dice[n]) for s in scores]), 5)
        for n, clicks in enumerate(AFTER)
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0
