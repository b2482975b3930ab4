"""Few-shot bench: what every arm answers after 1, 2, 5 and 10 accepted cases, beside no training and a U-Net.

Procedural patients: all are asked the same objects of the same held-out patients, so that differences are paired.
Real folders: cases are left out one by one and asked, after training on the folder's other cases.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sam_trainer.bench.learning.arms import ARMS, NONE, UNET
from sam_trainer.bench.learning.few_cases_plan import Training
from sam_trainer.bench.learning.one_training import MEASURES, Mark, Taught
from sam_trainer.judging.gate import SemanticScore
from sam_trainer.measures.paired import GAIN, NO_GAIN, Gain, paired_gain
from sam_trainer.reports.table import ALL, Row

SEMANTIC = "dice_semantic"

DIGITS = 4


@dataclass(frozen=True)
class Outcomes:
    """What one training (or none) answered; of a folder, what its trainings with one case left out answered."""

    source: str
    method: str
    cases: int
    seed: int
    taught: Taught
    marks: Sequence[Mark] = ()
    names: Sequence[SemanticScore] = ()

    @classmethod
    def of(cls, training: Training, told: Mapping[str, Any]) -> Outcomes:
        """What `answered` told about a training."""
        cost = {key: value for key, value in told.items() if key not in ("marks", "names")}
        marks = [Mark(**mark) for mark in told["marks"]]
        names = [SemanticScore(**score) for score in told["names"]]
        count = len(training.teaching)
        return cls(training.source, training.method, count, training.seed, Taught(**cost), marks, names)

    def row(self, label: str = ALL) -> Row:
        """Means over the objects of one label, or of all; every case counts the same."""
        marks = [mark for mark in self.marks if label in (ALL, mark.label)]
        names = [score for score in self.names if label in (ALL, score.label)]
        row: Row = {
            "source": self.source,
            "method": self.method,
            "cases": self.cases,
            "seed": self.seed,
            "label": label,
            "parameters": self.taught.parameters,
            "head_parameters": self.taught.head_parameters,
            "megabytes": self.taught.megabytes,
            "steps": self.taught.steps,
            "seconds": round(self.taught.seconds, 1),
        }
        if marks:
            row |= {"n": len(marks), **{m: _mean(by_case(marks, m)) for m in MEASURES}}
        if names:
            row |= {"held_out": len({score.case for score in names}), SEMANTIC: _mean(named_by_case(names))}
        return row


def together(answers: Iterable[tuple[Training, Mapping[str, Any]]]) -> list[Outcomes]:
    """Outcomes of trainings; those with one case left out are one outcome per folder, method and seed."""
    found: list[Outcomes] = []
    folds: dict[tuple[str, str, int], list[Outcomes]] = defaultdict(list)
    for training, told in answers:
        one = Outcomes.of(training, told)
        if training.labels is None:
            found.append(one)
        else:
            folds[one.source, one.method, one.seed].append(one)
    return found + [_one_of(some) for some in folds.values()]


def rows(outcomes: Sequence[Outcomes]) -> list[Row]:
    """Means first, then labels, then paired differences."""
    shown = [outcome.row() for outcome in outcomes]
    for outcome in outcomes:
        labels = {mark.label for mark in outcome.marks} | {score.label for score in outcome.names}
        shown += [outcome.row(label) for label in sorted(labels)]
    return shown + list(gains(outcomes))


def gains(outcomes: Sequence[Outcomes]) -> Iterator[Row]:
    """Paired differences of every arm after each number of cases; seeds of one patient are averaged first."""
    groups: dict[tuple[str, int], dict[str, list[Outcomes]]] = defaultdict(lambda: defaultdict(list))
    for outcome in outcomes:
        if outcome.method != NONE:
            groups[outcome.source, outcome.cases][outcome.method].append(outcome)
    for (source, _), here in groups.items():
        untrained = [outcome for outcome in outcomes if (outcome.source, outcome.method) == (source, NONE)]
        for method, mine in here.items():
            if method != UNET:
                yield from _clicked(mine, untrained)
                rival = here.get(ARMS[method].against or "", [])
                yield from _clicked(*_of_same_seeds(mine, rival))
                for others in (here.get(UNET, []), rival):
                    yield from _named(*_of_same_seeds(mine, others))


def by_case(marks: Iterable[Mark], measure: str) -> dict[str, list[float]]:
    """One measure of every object, by case."""
    found: dict[str, list[float]] = defaultdict(list)
    for mark in marks:
        found[mark.case].append(mark.values[measure])
    return found


def named_by_case(scores: Iterable[SemanticScore]) -> dict[str, list[float]]:
    """Semantic Dice of every label, by case."""
    found: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        found[score.case].append(score.dice)
    return found


def _clicked(mine: Sequence[Outcomes], others: Sequence[Outcomes]) -> Iterator[Row]:
    """Clicks and boxes, over those of others: of the network that nobody taught, or of another arm."""
    marks, before = _marks(mine), _marks(others)
    for measure in MEASURES if marks and before else ():
        values, theirs = by_case(marks, measure), by_case(before, measure)
        if values.keys() <= theirs.keys():
            gain = paired_gain(values, {case: theirs[case] for case in values})
            yield _gain_row(mine, others[0].method, measure, gain)


def _of_same_seeds(mine: Sequence[Outcomes], others: Sequence[Outcomes]) -> tuple[list[Outcomes], list[Outcomes]]:
    """Of both those whose seed the other has too: some arms are trained more often."""
    shared = {outcome.seed for outcome in mine} & {outcome.seed for outcome in others}
    return [one for one in mine if one.seed in shared], [one for one in others if one.seed in shared]


def _named(mine: Sequence[Outcomes], others: Sequence[Outcomes]) -> Iterator[Row]:
    """Labels that are named, over how others name them."""
    values = named_by_case(score for outcome in mine for score in outcome.names)
    theirs = named_by_case(score for outcome in others for score in outcome.names)
    if values and values.keys() == theirs.keys():
        yield _gain_row(mine, others[0].method, SEMANTIC, paired_gain(values, theirs))


def _marks(outcomes: Sequence[Outcomes]) -> list[Mark]:
    return [mark for outcome in outcomes for mark in outcome.marks]


def _gain_row(mine: Sequence[Outcomes], over: str, measure: str, gain: Gain) -> Row:
    one = mine[0]
    return {
        "source": one.source,
        "method": one.method,
        "over": over,
        "cases": one.cases,
        "seeds": len(mine),
        "measure": measure,
        "held_out": gain.cases,
        "gain": round(gain.mean, DIGITS),
        "ci_low": round(gain.low, DIGITS),
        "ci_high": round(gain.high, DIGITS),
        "verdict": GAIN if gain.low > 0 else NO_GAIN,
    }


def _one_of(folds: Sequence[Outcomes]) -> Outcomes:
    """The folds of one folder as one: every left-out case once, the mean cost of a training."""
    first = folds[0]
    seconds = float(np.mean([fold.taught.seconds for fold in folds]))
    return replace(
        first,
        cases=round(float(np.mean([fold.cases for fold in folds]))),
        taught=replace(first.taught, seconds=seconds),
        marks=_marks(folds),
        names=[score for fold in folds for score in fold.names],
    )


def _mean(cases: dict[str, list[float]]) -> float:
    return round(float(np.mean([np.mean(values) for values in cases.values()])), DIGITS)
