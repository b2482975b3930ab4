"""Few-shot bench: every method after 1, 2, 5 and 10 accepted cases, beside no training and a U-Net.

Procedural patients: all are asked the same objects of the same held-out patients, so that differences are paired.
Real folders: each case in turn is left out and asked, after training on the folder's other cases.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from sam_infer.models.load import BaseNetwork
from sam_trainer.bench.learning import one_training
from sam_trainer.bench.learning.few_cases_plan import Plan
from sam_trainer.bench.learning.one_training import MEASURES, Mark, Taught
from sam_trainer.config import METHODS, TrainConfig
from sam_trainer.judging.gate import SemanticScore
from sam_trainer.labels.cases import Case, Source, Target
from sam_trainer.measures.paired import Gain, paired_gain
from sam_trainer.reports.table import ALL, Row
from sam_trainer.synthetic.anatomies import SOURCE, anatomies

NONE, UNET = "none", "unet"
SEMANTIC = "dice_semantic"

# The number of cases that is trained with every seed; the others show the trend with one.
HEADLINE = 5

HELD_OUT_SEED = 1000

DIGITS = 4


@dataclass(frozen=True)
class Outcomes:
    """What one training (or none) answered."""

    source: str
    method: str
    cases: int
    seed: int
    taught: Taught
    marks: Sequence[Mark] = ()
    names: Sequence[SemanticScore] = ()

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
            "seconds": round(self.taught.seconds, 1),
        }
        if marks:
            row |= {"n": len(marks), **{m: _mean(by_case(marks, m)) for m in MEASURES}}
        if names:
            row |= {"held_out": len({score.case for score in names}), SEMANTIC: _mean(named_by_case(names))}
        return row


Keep = Callable[["Measured"], None]


@dataclass
class Measured:
    """Everything that came out, in the order it was measured."""

    outcomes: list[Outcomes] = field(default_factory=list)
    gains: list[Row] = field(default_factory=list)

    def rows(self) -> list[Row]:
        """Means first, then labels, then paired differences."""
        shown = [outcome.row() for outcome in self.outcomes]
        for outcome in self.outcomes:
            labels = {mark.label for mark in outcome.marks} | {score.label for score in outcome.names}
            shown += [outcome.row(label) for label in sorted(labels)]
        return shown + self.gains


def procedural(base: BaseNetwork, plan: Plan, folder: Path, keep: Keep) -> Measured:
    """Procedural patients: the headline with all seeds first, then the trend with one; `keep` gets every stage."""
    held_out = anatomies(folder, plan.held_out, HELD_OUT_SEED)
    targets = one_training.chosen_targets(held_out, plan.objects, lambda _: True)
    console, measured = Console(stderr=True), Measured()
    untrained = Outcomes(SOURCE, NONE, 0, 0, Taught(None), one_training.ask(base, None, targets))
    measured.outcomes.append(untrained)
    for count, method, seed in _trainings(plan):
        teaching = anatomies(folder, max(plan.counts), seed)[:count]
        outcome = _trained(
            base,
            method,
            plan.config(METHODS[0] if method == UNET else method, seed),
            teaching,
            _Exam(SOURCE, held_out, targets, None, plan.unet_epochs),
        )
        measured.outcomes.append(outcome)
        measured.gains = list(_headlines(measured.outcomes, untrained))
        console.print(_line(outcome.row()))
        keep(measured)
    return measured


def left_out(base: BaseNetwork, plan: Plan, sources: Sequence[Source], keep: Keep) -> Measured:
    """Real folders: cases that share a label with another one of their folder are left out one by one."""
    console, measured = Console(stderr=True), Measured()
    for source in sources:
        folds = list(_folds(source))
        folds = folds[:: -(-len(folds) // plan.most_left_out)] if folds else []
        for method in (NONE, METHODS[0], UNET) if folds else ():
            asked = [_asked(base, plan, method, source.name, fold) for fold in folds]
            outcome = _together(asked)
            measured.outcomes.append(outcome)
            console.print(_line(outcome.row()))
        measured.gains = list(_left_out_gains(measured.outcomes))
        keep(measured)
    return measured


def by_case(marks: Sequence[Mark], measure: str) -> dict[str, list[float]]:
    """One measure of every object, by case."""
    found: dict[str, list[float]] = defaultdict(list)
    for mark in marks:
        found[mark.case].append(mark.values[measure])
    return found


def named_by_case(scores: Sequence[SemanticScore]) -> dict[str, list[float]]:
    """Semantic Dice of every label, by case."""
    found: dict[str, list[float]] = defaultdict(list)
    for score in scores:
        found[score.case].append(score.dice)
    return found


@dataclass(frozen=True)
class _Exam:
    """What is asked after a training."""

    source: str
    cases: Sequence[Case]
    targets: Sequence[Target]
    labels: frozenset[str] | None = None  # None: all that a case has
    unet_epochs: int | None = None

    def kept(self, scores: Sequence[SemanticScore]) -> list[SemanticScore]:
        return [score for score in scores if self.labels is None or score.label in self.labels]


def _trained(base: BaseNetwork, method: str, config: TrainConfig, teaching: Sequence[Case], exam: _Exam) -> Outcomes:
    if method == UNET:
        longer = replace(config, epochs=exam.unet_epochs or config.epochs)
        namer, taught = one_training.teach_unet(base, longer, teaching)
        names = one_training.name_by_unet(namer, exam.cases)
        return Outcomes(exam.source, method, len(teaching), config.seed, taught, (), exam.kept(names))
    taught = one_training.teach(base, config, teaching)
    names = one_training.name(base, taught.adapter, exam.cases) if taught.adapter is not None else []
    marks = one_training.ask(base, taught.adapter, exam.targets)
    return Outcomes(exam.source, method, len(teaching), config.seed, taught, marks, exam.kept(names))


def _trainings(plan: Plan) -> Iterator[tuple[int, str, int]]:
    """Number of cases, method, seed: first what the headline needs, then the trend."""
    headline = [method for method in (METHODS[0], UNET) if method in (*plan.methods, UNET)]
    first = [(HEADLINE, method, seed) for seed in range(plan.seeds) for method in headline]
    rest = [(count, method, 0) for count in plan.counts for method in (*plan.methods, UNET)]
    wanted = [one for one in first if one[0] in plan.counts] + rest
    yield from dict.fromkeys(wanted)


def _headlines(outcomes: Sequence[Outcomes], untrained: Outcomes) -> Iterator[Row]:
    """Paired differences after each number of cases; seeds of one patient are averaged first."""
    for count in sorted({outcome.cases for outcome in outcomes} - {0}):
        here = [outcome for outcome in outcomes if outcome.cases == count]
        unet = [score for outcome in here if outcome.method == UNET for score in outcome.names]
        for method in dict.fromkeys(outcome.method for outcome in here if outcome.method != UNET):
            mine = [outcome for outcome in here if outcome.method == method]
            marks = [mark for outcome in mine for mark in outcome.marks]
            for measure in MEASURES:
                gain = paired_gain(by_case(marks, measure), by_case(untrained.marks, measure))
                yield _gain_row(mine, NONE, measure, gain)
            if unet and {outcome.seed for outcome in mine} == {o.seed for o in here if o.method == UNET}:
                names = [score for outcome in mine for score in outcome.names]
                gain = paired_gain(named_by_case(names), named_by_case(unet))
                yield _gain_row(mine, UNET, SEMANTIC, gain)


def _left_out_gains(outcomes: Sequence[Outcomes]) -> Iterator[Row]:
    for source in dict.fromkeys(outcome.source for outcome in outcomes):
        found = {outcome.method: outcome for outcome in outcomes if outcome.source == source}
        mine, before, unet = found[METHODS[0]], found[NONE], found[UNET]
        for measure in MEASURES:
            if mine.marks:
                gain = paired_gain(by_case(mine.marks, measure), by_case(before.marks, measure))
                yield _gain_row([mine], NONE, measure, gain)
        if mine.names:
            gain = paired_gain(named_by_case(mine.names), named_by_case(unet.names))
            yield _gain_row([mine], UNET, SEMANTIC, gain)


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
    }


@dataclass(frozen=True)
class _Fold:
    """A case that is left out, those of its folder that teach, and the labels they share."""

    case: Case
    others: list[Case]
    shared: frozenset[str]


def _folds(source: Source) -> Iterator[_Fold]:
    """Every case that shares a label with others."""
    for case in source.cases:
        mine = set(case.labels.values())
        others = [other for other in source.cases if other is not case and mine & set(other.labels.values())]
        if others:
            yield _Fold(case, others, frozenset(mine & {name for one in others for name in one.labels.values()}))


def _asked(base: BaseNetwork, plan: Plan, method: str, source: str, fold: _Fold) -> Outcomes:
    targets = one_training.chosen_targets([fold.case], 2 * plan.objects, lambda target: target.label in fold.shared)
    if method == NONE:
        return Outcomes(source, NONE, len(fold.others), 0, Taught(None), one_training.ask(base, None, targets))
    config = replace(plan.config(METHODS[0], 0), epochs=plan.left_out_epochs, semantic_steps=TrainConfig.semantic_steps)
    return _trained(base, method, config, fold.others, _Exam(source, [fold.case], targets, fold.shared))


def _together(folds: Sequence[Outcomes]) -> Outcomes:
    """The folds of one folder as one: every left-out case once, the mean cost of a training."""
    first = folds[0]
    seconds = float(np.mean([fold.taught.seconds for fold in folds]))
    return replace(
        first,
        cases=round(float(np.mean([fold.cases for fold in folds]))),
        taught=replace(first.taught, adapter=None, seconds=seconds),
        marks=[mark for fold in folds for mark in fold.marks],
        names=[score for fold in folds for score in fold.names],
    )


def _mean(cases: dict[str, list[float]]) -> float:
    return round(float(np.mean([np.mean(values) for values in cases.values()])), DIGITS)


def _line(row: Row) -> str:
    named = ("dice_1click", "dice_box", SEMANTIC)
    told = ", ".join(f"{name} {row[name]:.3f}" for name in named if name in row)
    return f"{row['source']}: {row['method']}, {row['cases']} cases, seed {row['seed']}, {row['seconds']:.0f} s: {told}"
