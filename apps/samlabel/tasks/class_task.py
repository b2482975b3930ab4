"""`sam_class` infer task: semantic segmentation of the classes ticked in OHIF, by the serving adapter's head."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sam_infer.ask.answer import answer
from sam_infer.ask.context import Context
from sam_infer.serving.server_state import Serving
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.tasks.job import volume_job
from samlabel.tasks.task import SamTask
from samlabel.wire import auto_request, class_request
from samlabel.wire.auto_reply import describe, naming
from samlabel.wire.phase_request import phase_facts
from samlabel.wire.reply import Reply, network_facts

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
            config=dict(class_request.OPTIONS),
        )

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """The label map (values 1..n in the order of the labels) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = self.opened(serving, request)
        wanted = auto_request.decode_semantic(request, volume.geometry, self.names)
        predictor = self.network(serving, request, volume)
        context = Context(volume_job(serving, "sam_class", request))
        found = answer(wanted.question, predictor, volume, context)
        described = describe(found, wanted.question, volume.geometry, time.perf_counter() - started)
        facts = {
            "label_names": self.names.values,
            **network_facts(predictor),
            **phase_facts(volume),
            **naming(predictor, wanted.question.mode),
            **described,
            "classes": wanted.question.wanted or list(found.found.scores),
            "reader": current_reader(),
            "warnings": class_request.notes(request) + described["warnings"],
        }
        return Reply(found.mask, facts, wanted.reply)
