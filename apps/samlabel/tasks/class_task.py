"""`sam_class`: the classes that a reader ticks in OHIF, found by the semantic head of the adapter that serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sam_infer.automatic.label_search import LabelSearch
from sam_infer.automatic.semantic import semantic_labels
from sam_infer.serving.server_state import Serving
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.tasks.job import volume_job
from samlabel.tasks.slice_task import SamTask, model_facts, model_notes
from samlabel.wire import auto_request as auto_codec
from samlabel.wire import class_request as class_codec
from samlabel.wire import reply as answer

# OHIF shows this type under "Class Prompts"; 3D Slicer, whose automatic tasks are of another type, does not.
TYPE = "vista3d"


class SamClassTask(SamTask):
    """Classes in, one label map of the whole volume out."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames) -> None:
        super().__init__(
            serving,
            names,
            type=TYPE,
            labels=names.values,
            dimension=3,
            description="Labels by their name, once an adapter has learned them: choose classes, no clicks",
            config=dict(class_codec.OPTIONS),
        )

    def __call__(self, request: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
        """The label map's file (values 1..n in the order of the labels) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = serving.volume(Path(request["image"]))
        wanted = auto_codec.decode_semantic(request, volume.geometry)
        classes = class_codec.decode_classes(request, self.names)
        search = LabelSearch(
            serving.predictor,
            volume,
            wanted.axis,
            wanted.slices,
            self.names.names,
            wanted.window,
            wanted.limit,
            volume_job(serving, "sam_class"),
        )
        found = semantic_labels(search, classes)
        computed = time.perf_counter() - started
        file, written = answer.timed_file(found.mask, wanted.reply)
        notes = [*found.notes, *([volume.note] if volume.note else []), *model_notes(search.predictor)]
        return file, {
            "label_names": self.names.values,
            **model_facts(search.predictor),
            "classes": classes or list(found.scores),
            **answer.place(volume.geometry, wanted.axis, wanted.start),
            "slices": [search.slices.start, search.slices.stop - 1],
            "scores": {name: round(score, 4) for name, score in found.scores.items()},
            "latencies": answer.milliseconds({"semantic": computed, "write": written}),
            "reader": current_reader(),
            "warnings": class_codec.notes(request) + notes,
        }
