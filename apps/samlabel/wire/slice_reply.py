"""The JSON part about one object on one slice; `label_names` is what 3D Slicer looks for.

For requests with `advice`: `doubt` says when an answer hangs on the hand, `next` where to click. `doubt` decodes
nothing where warnings have not proven themselves on accepted cases, and says so. Places are voxels of the image as
it is stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sam_infer.ask.answer import Answer
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView
from sam_infer.slices.predictor import CLIENT_CANDIDATES, Prediction
from sam_infer.uncertainty.advice import Advisor, ClickPlace
from sam_infer.uncertainty.warning_skill import WarningSkill
from samlabel.errors import RequestError
from samlabel.wire.reply import milliseconds, place
from samlabel.wire.slice_request import InferRequest

ADVICE = "advice"
DOUBT, NEXT = "doubt", "next"

NOTHING_KNOWN = "warnings are not shown: too few accepted cases were measured with this network"
NO_PLACE = "nothing seems wrong enough to spend a click on"


def describe(answer: Answer[Prediction], request: InferRequest, geometry: Geometry) -> dict[str, Any]:
    """Everything worth knowing about an answer."""
    prediction, question = answer.found, request.question
    return {
        "label_names": {request.label: 1},
        **({"label_assumed": request.assumed} if request.assumed else {}),
        "score": round(prediction.score, 4),
        "scores": [round(float(s), 4) for s in prediction.candidates.scores[:CLIENT_CANDIDATES]],
        "candidate": prediction.chosen,
        "stability": round(prediction.stability, 4),
        "voxels": int(prediction.pixels.sum()),
        **place(geometry, question.prompts.axis, question.index),
        "window": {"name": prediction.window.name, "low": prediction.window.low, "high": prediction.window.high},
        "crop": _crop(prediction),
        "prompts": _used(request),
        "latencies": milliseconds(prediction.seconds),
        "warnings": [*request.notes, *answer.notes],
    }


def _crop(prediction: Prediction) -> dict[str, int]:
    crop = prediction.frame.crop
    return {"row": crop.row, "col": crop.col, "height": crop.height, "width": crop.width}


def _used(request: InferRequest) -> dict[str, Any]:
    """The prompts that reached the network, in their canonical order."""
    here = request.question.prompts.on_slice(request.question.index)
    box = here.box
    return {
        "foreground": here.points[here.labels == 1].tolist(),
        "background": here.points[here.labels == 0].tolist(),
        "roi": [int(v) for pair in zip(box.low, box.high, strict=True) for v in pair] if box is not None else None,
        "prior": here.mask is not None,
        "lassos": len(request.lasso.inside) + len(request.lasso.outside),
        "painted_voxels": len(request.scribble.inside) + len(request.scribble.outside),
    }


def advice_asked(request: Mapping[str, Any]) -> str:
    """Which advice a request wants; empty for none."""
    wish = request.get(ADVICE) or ""
    if wish not in ("", DOUBT, NEXT):
        raise RequestError(f"{ADVICE} must be {DOUBT} or {NEXT}, got {str(wish)[:20]!r}", ADVICE)
    return str(wish)


def doubted(advisor: Advisor, worth: WarningSkill | None) -> dict[str, Any]:
    """Whether a reader should look again, why, where, and the cheapest cure."""
    if worth is None or not worth.proven:
        return {"shown": False, "why": worth.sentence if worth is not None else NOTHING_KNOWN}
    if not advisor.moved or not advisor.answer.pixels.any():  # that nothing was found is said already
        return {"shown": True, "why": worth.sentence, "warn": False}
    risk = float(worth.risk.of(advisor.signs))
    told: dict[str, Any] = {
        "shown": True,
        "why": worth.sentence,
        "risk": round(risk, 4),
        "warn": risk >= worth.threshold,
    }
    if not told["warn"]:
        return told
    view, place = advisor.answer.view, advisor.next_click()
    told |= {"sentence": f"Take care: {advisor.sentence}.", "edge": _voxel(view, advisor.edge)}
    return told if place is None else {**told, "cure": _told(view, place)}


def next_click(advisor: Advisor) -> dict[str, Any]:
    """The place whose correction is expected to help most."""
    place = advisor.next_click()
    return {"sentence": NO_PLACE} if place is None else {"cure": _told(advisor.answer.view, place)}


def _told(view: SliceView, place: ClickPlace) -> dict[str, Any]:
    if place.positive:
        sentence = "Cheapest cure: if this place belongs to it, put a + point here."
    else:
        sentence = "Cheapest cure: if this place does not belong to it, put a - point here."
    return {
        "voxel": _voxel(view, place.at),
        "positive": place.positive,
        "change": round(place.change, 4),
        "sentence": sentence,
    }


def _voxel(view: SliceView, at: tuple[int, int] | None) -> list[int] | None:
    return None if at is None else [int(n) for n in np.rint(view.to_stored([at])[0])]
