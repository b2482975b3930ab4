"""The JSON part about automatic labels: mode, slices, a score per label."""

from __future__ import annotations

from typing import Any

from sam_infer.ask.answer import Answer
from sam_infer.ask.question import LabelQuestion
from sam_infer.automatic.experimental import EXPERIMENTAL
from sam_infer.automatic.label_search import LabelMap
from sam_infer.automatic.modes import PROPOSE, SEMANTIC
from sam_infer.imaging.geometry import Geometry
from sam_infer.slices.predictor import Predictor
from samlabel.wire.reply import milliseconds, place

ORDER_ONLY = "regions are what the network is surest of, named in the order of the labels: check every name"


WORSE = "this mode is experimental: on every folder that was measured, what it starts from leaves fewer clicks"


def naming(predictor: Predictor, mode: str) -> dict[str, Any]:
    """Which of the two networks that training made named the labels, and why that one serves."""
    if mode != SEMANTIC or predictor.semantic is None:
        return {}
    return {"named_by": predictor.named_why or predictor.semantic.name}


def describe(answer: Answer[LabelMap], question: LabelQuestion, geometry: Geometry, seconds: float) -> dict[str, Any]:
    """Everything worth knowing about an answer."""
    chosen = answer.found.chosen
    modes = {question.mode, *(one.way.mode for one in chosen.values() if one.way is not None)}
    return {
        "mode": question.mode,
        **place(geometry, question.axis, question.first),
        "slices": [question.slices.start, question.slices.stop - 1],
        "scores": {name: round(score, 4) for name, score in answer.found.scores.items()},
        "partial": not answer.found.whole,
        "latencies": milliseconds({question.mode: seconds}),
        **({"best": {name: one.facts for name, one in chosen.items()}} if chosen else {}),
        "warnings": [
            *([ORDER_ONLY] if PROPOSE in modes else []),
            *([WORSE] if question.mode in EXPERIMENTAL else []),
            *answer.notes,
        ],
    }
