"""The infer tasks that answer in 3D. Slices are computed one by one through the queue: clicks get through between."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Volume
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.many_labels import LabelPrediction, segment_labels
from sam_infer.propagation.result import VolumePrediction
from sam_infer.serving.server_state import Serving
from samlabel.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.tasks.job import volume_job
from samlabel.tasks.slice_task import SamTask, model_facts, model_notes
from samlabel.wire import reply as answer
from samlabel.wire import volume_request as volume_codec


class Sam3dTask(SamTask):
    """Points, boxes, scribbles or a prior mask on one or several slices in, one object in 3D out."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames) -> None:
        super().__init__(
            serving,
            names,
            type="deepgrow",
            labels=list(names.names),
            dimension=3,
            description="Segment Anything in 3D: prompts on a few slices are followed to the ends of the object",
            config=dict(volume_codec.OPTIONS),
        )

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """The mask's file (value 1) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = serving.volume(Path(request["image"]))
        wanted = volume_codec.decode_object(request, volume.geometry, self.names)
        ((label, prompts),) = wanted.prompts.items()
        predictor = serving.predictor
        found = segment_object(predictor, volume, prompts, wanted.options, volume_job(serving, "sam_3d"))
        computed = time.perf_counter() - started
        file, written = answer.timed_file(found.mask, wanted.reply)
        return file, {
            "label_names": {label: 1},
            **model_facts(predictor),
            **_about(found, volume, model_notes(predictor)),
            "latencies": answer.milliseconds({"segment": computed, "write": written}),
            "reader": current_reader(),
        }


class SamMultiTask(SamTask):
    """Points per label in, one label map in 3D out."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames) -> None:
        super().__init__(
            serving,
            names,
            type="deepedit",
            labels=names.values,
            dimension=3,
            description="Segment Anything in 3D, several labels at once: click on each of them",
            config=dict(volume_codec.OPTIONS),
        )

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """The label map's file (values 1..n in the order of the labels) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = serving.volume(Path(request["image"]))
        wanted = volume_codec.decode_labels(request, volume.geometry, self.names)
        predictor = serving.predictor
        found = segment_labels(predictor, volume, wanted.prompts, wanted.options, volume_job(serving, "sam_multi"))
        mask = found.mask_with(self.names.values)
        computed = time.perf_counter() - started
        file, written = answer.timed_file(mask, wanted.reply)
        return file, {
            "label_names": self.names.values,
            **model_facts(predictor),
            "labels": {name: _about(prediction, volume) for name, prediction in found.labels.items()},
            "contested": found.contested,
            "latencies": answer.milliseconds({"segment": computed, "write": written}),
            "reader": current_reader(),
            "warnings": _warnings(found) + model_notes(predictor),
        }


def _about(found: VolumePrediction, volume: Volume, network: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON part about one object."""
    notes = [*found.notes, *([volume.note] if volume.note else []), *network]
    slices = found.slices
    return {
        "score": round(found.score, 4),
        "voxels": int((found.mask.array > 0).sum()),
        "volume_ml": round(float((found.mask.array > 0).sum()) * _voxel_ml(volume.geometry), 3),
        **_extent(found, volume.geometry),
        "slices": [slices[0], slices[-1]] if slices else None,
        "prompted_slices": list(found.prompted),
        "warnings": notes,
    }


def _extent(found: VolumePrediction, geometry: Geometry) -> dict[str, Any]:
    place = answer.place(geometry, found.axis, found.prompted[0])
    return {"axis": place["axis"], "plane": place["plane"]}


def _voxel_ml(geometry: Geometry) -> float:
    i, j, k = geometry.spacing_mm
    return i * j * k / 1000.0


def _warnings(found: LabelPrediction) -> list[str]:
    return [f"{name}: {note}" for name, prediction in found.labels.items() for note in prediction.notes]
