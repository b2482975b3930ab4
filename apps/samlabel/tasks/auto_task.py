"""`sam_auto` infer task: automatic segmentation without a click, of one slice or of the whole volume."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sam_infer.ask.answer import answer
from sam_infer.ask.context import Context
from sam_infer.job import CancelledError
from sam_infer.serving.server_state import Serving
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.loop.best_modes import BestModes
from samlabel.loop.examples import Examples
from samlabel.online.learning import OnlineLearning
from samlabel.tasks.job import volume_job
from samlabel.tasks.task import SamTask
from samlabel.wire import auto_request, doubt_reply
from samlabel.wire.auto_reply import describe, naming
from samlabel.wire.phase_request import phase_facts
from samlabel.wire.reply import Reply, network_facts, online_facts

NO_DOUBT = "called off before uncertainty was looked for: the labels are whole"


class SamAutoTask(SamTask):
    """A label map without a hint: what stands out, or what accepted cases say."""

    def __init__(
        self,
        serving: Callable[[], Serving],
        names: LabelNames,
        examples: Callable[[], Examples],
        online: Callable[[], OnlineLearning],
    ) -> None:
        super().__init__(
            serving,
            names,
            type="segmentation",
            labels=names.values,
            dimension=3,
            description="Labels without a click: by the mode that leaves fewest clicks on accepted cases (best), what "
            "stands out (propose), what accepted cases say (grid, selfprompt, detect, atlas), or what an adapter has "
            "learned (semantic)",
            config=dict(auto_request.OPTIONS),
            online=online,
        )
        self.examples = examples

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """The label map (values 1..n in the order of the labels) and the JSON part."""
        started = time.perf_counter()
        serving, image_id = self.serving(), request.get("image_id")
        volume = self.opened(serving, request)
        wanted = auto_request.decode(request, volume.geometry, self.names)
        question, predictor, examples = wanted.question, self.network(serving, request, volume), self.examples()
        doubting = doubt_reply.asked(request, predictor, self.earlier(serving, request, volume))
        if wanted.prior_tag is not None and question.prior is None:
            question = wanted.with_prior(examples.earlier(image_id, wanted.prior_tag))
        job = volume_job(serving, f"sam_auto {question.mode}", request)
        context = Context(
            job,
            lambda: examples.others(serving, image_id),
            serving.memo,
            lambda: BestModes(examples).known(predictor, volume),
        )
        learned = self.learned(request, predictor, question.labels)
        found = answer(question, learned, volume, context)
        facts = {
            "label_names": self.names.values,
            **network_facts(predictor),
            **phase_facts(volume),
            **naming(predictor, question.mode),
            **online_facts(learned, question.labels),
            **describe(found, question, volume.geometry, time.perf_counter() - started),
            "reader": current_reader(),
        }
        facts["warnings"] = [*wanted.notes, *facts["warnings"]]
        if doubting is not None and found.found.whole:
            try:
                facts[doubt_reply.KEY] = doubting.about(volume, found.mask, question.axis, question.labels, job.slice)
            except CancelledError:
                if not job.partial():
                    raise
                facts["warnings"] = [*facts["warnings"], NO_DOUBT]
        return Reply(found.mask, facts, wanted.reply)
