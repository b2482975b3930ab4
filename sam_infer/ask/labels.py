"""Automatic labels by mode: the only place where the name of a mode becomes a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sam_infer.ask.context import Context
from sam_infer.ask.question import LabelQuestion, SeededQuestion
from sam_infer.ask.refined import refined_labels
from sam_infer.ask.seeded import SeededObject, seeded_object, with_label
from sam_infer.automatic.atlas import atlas_labels, warped_labels
from sam_infer.automatic.best import PREVIOUS, Chosen, Way, best_labels, labels_beside, seen_beside, unmeasured
from sam_infer.automatic.detect import detect_labels
from sam_infer.automatic.example import AcceptedCase, others
from sam_infer.automatic.expected import expected_labels, selfprompt_labels
from sam_infer.automatic.grid import grid_labels
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.automatic.modes import BEST, DETECT, MAP_PRIOR, PROPOSE, SEMANTIC, propose_labels, propose_on_slice
from sam_infer.automatic.semantic import semantic_labels
from sam_infer.errors import PromptError
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
    found = _best(question, search, context) if question.mode == BEST else _by_mode(question, search, context)
    return refined_labels(search, found)


def _best(question: LabelQuestion, search: LabelSearch, context: Context) -> LabelMap:
    """Every label by the mode that was measured best for it, or by the rule where nothing was measured."""
    cases = context.cases()
    context = replace(context, cases=lambda: cases)  # read once for all modes

    def find(way: Way, names: Sequence[str]) -> LabelMap:
        if way == PREVIOUS and question.prior is not None:
            return labels_beside(search, question.prior)
        wanted = names if way.mode == SEMANTIC else None
        return _by_mode(replace(question, mode=way.mode, how=way.how, wanted=wanted, prior=None), search, context)

    shown = seen_beside(search, question.prior)
    chosen = {n: (one.beside or one) if n in shown else one for n, one in _chosen(search, context).items()}
    return best_labels(search, chosen, find)


def _chosen(search: LabelSearch, context: Context) -> Mapping[str, Chosen]:
    """How each label is looked for; what was measured counts only where accepted cases can teach about this image."""
    head = search.predictor.semantic
    try:
        fitting = len(others(search.volume, context.cases()))
    except PromptError:
        fitting = 0
    measured = context.best() if fitting else {}
    learned = set(head.labels) if head is not None else set()
    return {name: measured.get(name) or unmeasured(fitting, name in learned) for name in search.labels}


def _by_mode(question: LabelQuestion, search: LabelSearch, context: Context) -> LabelMap:
    """One mode for all labels."""
    if question.mode == SEMANTIC:
        return semantic_labels(search, question.wanted)
    if question.mode == PROPOSE:
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
