"""Automatic labels by mode: the only place where the name of a mode becomes a method."""

from __future__ import annotations

from sam_infer.ask.context import Context
from sam_infer.ask.question import LabelQuestion
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.modes import (
    SEMANTIC,
    atlas_labels,
    grid_labels,
    propose_labels,
    propose_on_slice,
    selfprompt_labels,
    warped_labels,
)
from sam_infer.automatic.semantic import semantic_labels
from sam_infer.imaging.volume import Volume
from sam_infer.slices.predictor import Predictor


def find_labels(question: LabelQuestion, predictor: Predictor, volume: Volume, context: Context) -> LabelMap:
    """The labels that the question asks for, by its mode."""
    search = LabelSearch(
        predictor,
        volume,
        question.axis,
        question.slices,
        tuple(question.labels),
        question.window,
        question.limit,
        context.job,
        context.memo,
    )
    if question.mode == SEMANTIC:
        return semantic_labels(search, question.wanted)
    if question.mode == "propose":
        whole = len(question.slices) > 1
        return propose_labels(search, question.first) if whole else propose_on_slice(search, question.first)
    if question.prior is not None:
        return grid_labels(search, question.prior)
    cases = context.cases()
    if question.mode == "grid":
        return grid_labels(search, warped_labels(search, cases))
    return atlas_labels(search, cases) if question.mode == "atlas" else selfprompt_labels(search, cases)
