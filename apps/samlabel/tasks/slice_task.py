"""The host's infer tasks: a request in, a file and a dictionary out. Five lines of glue each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask

from sam_infer.serving.server_state import Serving
from sam_infer.slices.predictor import Predictor
from samlabel.access.disconnect import client_has_gone
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.wire import doubt_reply as uncertainty_reply
from samlabel.wire import reply as answer
from samlabel.wire import slice_request as codec


class SamTask(InferTask):
    """What all our tasks share: one `Serving`, built at first use, and no file that a client could replace."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames, **described: Any) -> None:
        super().__init__(**described)
        self.serving = serving
        self.names = names

    def is_valid(self) -> bool:
        """Whether clients may see it."""
        return True


def model_facts(predictor: Predictor) -> dict[str, str]:
    """Which network answered: any mask can be traced."""
    backbone = predictor.backbone
    return {"model": backbone.name, "weights": backbone.weights_id, "adapter": predictor.adapter}


def model_notes(predictor: Predictor) -> list[str]:
    """What a reader should know about the network that answered."""
    return [predictor.note] if predictor.note else []


class Sam2dTask(SamTask):
    """Points, a box, scribbles or a prior mask in, one object on one slice out."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames) -> None:
        super().__init__(
            serving,
            names,
            type="deepgrow",
            labels=list(names.names),
            dimension=2,
            description="Segment Anything on one slice: click on what it is, click on what it is not, or draw a box",
            config=dict(codec.OPTIONS),
        )

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """The mask's file (value 1) and the JSON part."""
        started = time.perf_counter()
        path, serving = Path(request["image"]), self.serving()
        volume = serving.volume(path)
        wanted = codec.decode(request, volume.geometry, self.names)
        understood = time.perf_counter() - started
        predictor = serving.predictor
        doubting = uncertainty_reply.asked(request, predictor, serving.earlier)
        prediction = serving.predict(
            path,
            wanted.prompts,
            wanted.index,
            wanted.options,
            predictor,
            reader=current_reader(),
            gone=client_has_gone(),
        )
        mask = prediction.mask(volume)
        doubt = (
            {}
            if doubting is None
            else {
                uncertainty_reply.KEY: doubting.about(
                    volume, mask, wanted.prompts.axis, [wanted.label], lambda work: serving.queue.submit(work).result()
                )
            }
        )
        file, written = answer.timed_file(mask, wanted.reply)
        prediction.seconds.update(read=prediction.seconds["read"] + understood, write=written)
        described = answer.describe(prediction, wanted, volume)
        described["warnings"] += model_notes(predictor)
        return file, {**model_facts(predictor), **described, **doubt}
