"""Automatic labels by mode: the only place where the name of a mode becomes a method."""

from __future__ import annotations

from collections.abc import Sequence

from sam_infer.ask.context import Context
from sam_infer.ask.question import LabelQuestion, SeededQuestion
from sam_infer.automatic.atlas import atlas_labels, warped_labels
from sam_infer.automatic.detect import detect_labels
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.expected import expected_labels, selfprompt_labels
from sam_infer.automatic.grid import grid_labels
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.modes import DETECT, MAP_PRIOR, SEMANTIC, propose_labels, propose_on_slice
from sam_infer.automatic.seeded import SeededObject, seeded_object, with_label
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
        return grid_labels(search, question.prior, question.how.gallery)
    return _learned(question, search, context.cases())


def find_seeded(question: SeededQuestion, predictor: Predictor, volume: Volume, context: Context) -> SeededObject:
    """The object that the most alike of the context's cases shows."""
    cases = with_label(context.cases(), question.value, question.label)
    slices = range(volume.geometry.shape[question.axis])
    window = question.options.slice.window
    search = LabelSearch(
        predictor, volume, question.axis, slices, (question.label,), window, question.limit, context.job, context.memo
    )
    return seeded_object(search, cases, question.options)


def _learned(question: LabelQuestion, search: LabelSearch, cases: Sequence[AcceptedCase]) -> LabelMap:
    """The modes that learn from accepted cases."""
    how = question.how
    if question.mode == DETECT:
        return detect_labels(search, cases)
    if question.mode == "atlas":
        return atlas_labels(search, cases, how.atlases)
    if question.mode == "selfprompt":
        return selfprompt_labels(search, cases, how.heads, how.passes)
    by_map = how.expects == MAP_PRIOR
    expected = expected_labels(search, cases) if by_map else warped_labels(search, cases, how.atlases)
    return grid_labels(search, expected, how.gallery)
