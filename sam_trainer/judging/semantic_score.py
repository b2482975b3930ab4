"""Semantic segmentation score: Dice per case and label, over the slices that are looked at together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.automatic.semantic import answer_on
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.slices.predictor import Predictor
from sam_trainer.judging.gate import SemanticScore
from sam_trainer.labels.cases import Case, case_tags, labelled_image, renumbered, slice_axis
from sam_trainer.measures.overlap import dice

# Slices that are looked at per case, evenly spread over those that show labels.
SLICES = 8

# Whatever names the labels on a slice: their numbers (H, W), from 1 in the order of its own labels.
Namer = Callable[[Volume, SliceView], UInt8Array]


def semantic_scores(
    predictor: Predictor, cases: Sequence[Case], slices: int = SLICES, pause: Callable[[], None] = lambda: None
) -> list[SemanticScore]:
    """Scores of the head that serves; empty where there is none. `pause` is called between cases.

    Every label of a case counts. One that the head does not know scores 0: it was not found.
    """
    if predictor.semantic is None:
        return []
    labels = predictor.semantic.labels
    found = []
    for case in cases:
        pause()
        found += score_case(case, labels, partial(_named, predictor, case), slices)
    return found


def _named(predictor: Predictor, case: Case, volume: Volume, view: SliceView) -> UInt8Array:
    """What a server would answer about a slice of a case."""
    return answer_on(predictor.about(partial(case_tags, case, volume)), volume, view)[0]


def score_case(case: Case, labels: Sequence[str], namer: Namer, slices: int = SLICES) -> list[SemanticScore]:
    """Dice of every label of a case as `namer` names it, whose numbers are places in `labels`."""
    volume, mask = labelled_image(case)
    names = sorted({case.labels.get(v, "" if case.labels else f"label {v}") for v in mask.values()})
    every = [*labels, *(name for name in names if name and name not in labels)]
    truth = renumbered(mask, case.labels, every)
    axis = slice_axis(volume.geometry)
    views = [volume.view(axis, index) for index in _spread(truth, axis, slices)]
    answers = np.concatenate([namer(volume, view).ravel() for view in views])
    truths = np.concatenate([view.extract(truth).ravel() for view in views])
    numbers = [every.index(name) + 1 for name in names if name]
    return [
        SemanticScore(
            case.name, every[n - 1], round(dice(_whole(case, every, answers, n), _whole(case, every, truths, n)), 5)
        )
        for n in numbers
        if (truths == n).any()
    ]


def mean_dice(scores: Sequence[SemanticScore]) -> float:
    """Mean over cases of the mean over their labels; 0 without a score."""
    cases: dict[str, list[float]] = {}
    for score in scores:
        cases.setdefault(score.case, []).append(score.dice)
    return float(np.mean([np.mean(found) for found in cases.values()])) if cases else 0.0


def _whole(case: Case, labels: Sequence[str], numbers: UInt8Array, number: int) -> BoolArray:
    """A label with the structures inside it: a label map shows the inner one only."""
    value = next((v for v, name in case.labels.items() if name == labels[number - 1]), None)
    inner = [case.labels[v] for v in case.includes.get(value, ()) if v in case.labels] if value else []
    return np.isin(numbers, [number, *(labels.index(name) + 1 for name in inner if name in labels)])


def _spread(truth: UInt8Array, axis: int, most: int) -> list[int]:
    filled = np.flatnonzero(truth.any(axis=tuple(a for a in range(3) if a != axis)))
    if len(filled) <= most:
        return [int(index) for index in filled]
    return [int(filled[int((n + 0.5) * len(filled) / most)]) for n in range(most)]
