"""`sam_text`: commands in words and the object as it is now in, the object as it is then out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from sam_infer.automatic.label_search import LabelSearch
from sam_infer.serving.server_state import Serving
from sam_infer.spoken.dialogue import Dialogue
from sam_infer.spoken.learned_boxes import LearnedBoxes
from sam_infer.spoken.text_to_box import TextToBox, plugged
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.loop.examples import Examples
from samlabel.tasks.job import volume_job
from samlabel.tasks.task import SamTask
from samlabel.wire.phase_request import phase_facts
from samlabel.wire.reply import Reply, milliseconds, network_facts
from samlabel.wire.words import command_request
from samlabel.wire.words.command_reply import describe


class SamTextTask(SamTask):
    """Words in, a mask out; stateless, as a click is."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames, examples: Callable[[], Examples]) -> None:
        super().__init__(
            serving,
            names,
            type="segmentation",  # of stock viewers: chosen and run, never clicked with
            labels=names.values,
            dimension=3,
            description="Segment Anything by words: segment a label, change its box or mask, add and remove regions",
            config=command_request.shown_options(names),
        )
        self.examples = examples

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """The object's mask (value 1) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = self.opened(serving, request)
        wanted = command_request.decode(request, volume.geometry, self.names)
        predictor = self.network(serving, request, volume)
        job = volume_job(serving, "sam_text", request)
        axis, image_id = wanted.scene.prompts.axis, request.get("image_id")
        slices = range(volume.geometry.shape[axis])
        search = LabelSearch(
            predictor, volume, axis, slices, self.names.names, wanted.options.window, job=job, memo=serving.memo
        )

        learned = LearnedBoxes(search, lambda: self.examples().others(serving, image_id), wanted.beside)
        detectors: list[TextToBox] = [*plugged(), learned]
        spoken = Dialogue(predictor, volume, detectors, wanted.options, job).say(wanted.commands, wanted.scene)
        facts = {
            **describe(spoken, volume),
            **({"label_assumed": wanted.assumed} if wanted.assumed else {}),
            **network_facts(predictor),
            **phase_facts(volume),
            "latencies": milliseconds({"said": time.perf_counter() - started}),
            "reader": current_reader(),
        }
        return Reply(spoken.scene.mask, facts, wanted.reply)
