"""The JSON part about one object on one slice; `label_names` is what 3D Slicer looks for."""

from __future__ import annotations

from typing import Any

from sam_infer.ask.answer import Answer
from sam_infer.imaging.geometry import Geometry
from sam_infer.slices.predictor import CLIENT_CANDIDATES, Prediction
from samlabel.wire.reply import milliseconds, place
from samlabel.wire.slice_request import InferRequest


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
