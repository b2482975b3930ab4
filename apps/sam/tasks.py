"""The host's infer tasks: a request in, a file and a dictionary out. Five lines of glue each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask

from sam_infer.automatic import propose
from sam_infer.predictor import Options, Predictor
from sam_infer.serving import Serving
from sam_infer.volume import Mask
from sam_infer.work_queue import Priority
from samlabel import answer, codec
from samlabel.labels import LabelNames
from samlabel.reader import current_reader


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

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The mask's file (value 1) and the JSON part."""
        started = time.perf_counter()
        path, serving = Path(request["image"]), self.serving()
        volume = serving.volume(path)
        wanted = codec.decode(request, volume.geometry, self.names)
        understood = time.perf_counter() - started
        predictor = serving.predictor
        prediction = serving.predict(path, wanted.prompts, wanted.index, wanted.options, predictor)
        file, written = answer.timed_file(prediction.mask(volume), wanted.reply)
        prediction.seconds.update(read=prediction.seconds["read"] + understood, write=written)
        described = answer.describe(prediction, wanted, volume)
        described["warnings"] += model_notes(predictor)
        return str(file), {**model_facts(predictor), **described}


class SamAutoTask(SamTask):
    """Regions that stand out on one slice, without a click: a first proposal to correct or discard."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames) -> None:
        super().__init__(
            serving,
            names,
            type="segmentation",
            labels=names.values,
            dimension=3,
            description="Proposals on one slice (the middle one): the surest regions, in the order of the labels",
            config={"plane": codec.OPTIONS["plane"], "window": codec.OPTIONS["window"]},
        )

    def __call__(self, request: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The label map's file (values 1..n without gaps) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = serving.volume(Path(request["image"]))
        given = {key: value for key, value in request.items() if value is not None}
        axis, reply = codec.decode_axis(given, volume.geometry), codec.decode_reply(given)
        options = Options(codec.decode_options(given).window, zoom=None)
        wish, length = codec.decode_slice(given), volume.geometry.shape[axis]
        view = volume.view(axis, wish if wish is not None and 0 <= wish < length else length // 2)
        predictor = serving.predictor
        # One job per click: a reader's click need not wait for the whole proposal.
        regions = propose(
            volume,
            view,
            len(self.names.names),
            lambda prompts: serving.queue.submit(
                lambda: predictor.predict(volume, prompts, view.index, options), Priority.VOLUME
            ).result(),
        )
        mask = Mask.empty(volume.geometry)
        for value, region in enumerate(regions, 1):
            view.extract(mask.array)[region.pixels] = value
        computed = time.perf_counter() - started
        file, written = answer.timed_file(mask, reply)
        return str(file), {
            "label_names": self.names.values,
            **model_facts(predictor),
            **answer.place(volume.geometry, axis, view.index),
            "scores": [round(region.quality, 4) for region in regions],
            "latencies": answer.milliseconds({"propose": computed, "write": written}),
            "reader": current_reader(),
            "warnings": [
                "regions are what the network is surest of, named in the order of the labels: check every name",
                *model_notes(predictor),
            ],
        }
