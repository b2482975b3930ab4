"""`sam_3d` and `sam_multi`: objects in 3D. Slices wait in the queue one by one, so that clicks get through between."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sam_infer.ask.answer import answer, answer_in_time
from sam_infer.ask.context import Context
from sam_infer.ask.question import CineQuestion, ObjectQuestion, ObjectsQuestion
from sam_infer.automatic.example import AcceptedCase
from sam_infer.imaging.volume import Volume
from sam_infer.serving.server_state import Serving
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.loop.examples import Examples
from samlabel.online.learning import OnlineLearning
from samlabel.tasks.job import volume_job
from samlabel.tasks.task import SamTask
from samlabel.wire import phase_request, volume_request
from samlabel.wire.phase_request import decode_along, decode_phase, phase_facts, refuse_along
from samlabel.wire.reply import Reply, milliseconds, network_facts, online_facts
from samlabel.wire.volume_reply import describe_object, describe_phases, own_notes


class Sam3dTask(SamTask):
    """Points, boxes, scribbles or a prior mask on one or several slices in, one object in 3D out, or in all phases."""

    one_phase = False

    def __init__(
        self,
        serving: Callable[[], Serving],
        names: LabelNames,
        examples: Callable[[], Examples],
        online: Callable[[], OnlineLearning],
        model: str = "",
    ) -> None:
        self.examples = examples
        super().__init__(
            serving,
            names,
            type="deepgrow",
            labels=list(names.names),
            dimension=3,
            description="Segment Anything in 3D: prompts on a few slices are followed to the ends of the object",
            config={**volume_request.shown_options(model), **phase_request.OPTIONS},
            online=online,
        )

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """The mask (value 1) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = self.opened(serving, request)
        seeded = volume_request.decode_seeded(request, volume.geometry, self.names)
        if seeded is not None:
            refuse_along(request, "seed_from")
            return self._seeded(seeded, request, serving, volume)
        wanted = volume_request.decode_object(request, volume.geometry, self.names)
        along = decode_along(request)
        if along is not None:
            return self._in_time(wanted, along, request, serving)
        ((label, prompts),) = wanted.prompts.items()
        predictor = self.learned(request, self.network(serving, request, volume, [label]), [label])
        context = Context(volume_job(serving, "sam_3d", request))
        found = answer(ObjectQuestion(prompts, wanted.options), predictor, volume, context)
        facts = {
            "label_names": {label: 1},
            **({"label_assumed": wanted.assumed} if wanted.assumed else {}),
            **network_facts(predictor),
            **online_facts(predictor, [label]),
            **phase_facts(volume),
            **describe_object(found.found, volume, found.notes),
            "latencies": milliseconds({"segment": time.perf_counter() - started}),
            "reader": current_reader(),
        }
        return Reply(found.mask, facts, wanted.reply)

    def _in_time(
        self, wanted: volume_request.VolumeRequest, along: str, request: Mapping[str, Any], serving: Serving
    ) -> Reply:
        """The object in all phases, from prompts on one of them."""
        started = time.perf_counter()
        ((label, prompts),) = wanted.prompts.items()
        cine, phase = serving.cine(request["image"]), decode_phase(request)
        question = CineQuestion(prompts, phase or 0, along, wanted.options)
        volume = cine.at(phase)
        predictor = self.learned(request, self.network(serving, request, volume, [label]), [label])
        context = Context(volume_job(serving, f"sam_3d along {along}", request))
        found = answer_in_time(question, predictor, cine, context)
        facts = {
            "label_names": {label: 1},
            **({"label_assumed": wanted.assumed} if wanted.assumed else {}),
            **network_facts(predictor),
            **online_facts(predictor, [label]),
            **phase_facts(volume),
            **describe_object(found.found.start, volume, found.notes),
            **describe_phases(found.found),
            "along": along,
            "latencies": milliseconds({"segment": time.perf_counter() - started}),
            "reader": current_reader(),
        }
        return Reply(found.mask, facts, wanted.reply)

    def _seeded(
        self, wanted: volume_request.SeededRequest, request: Mapping[str, Any], serving: Serving, volume: Volume
    ) -> Reply:
        """The object of another case, found here without a prompt."""
        started, image_id, examples = time.perf_counter(), request.get("image_id"), self.examples()

        def cases() -> Sequence[AcceptedCase]:
            if wanted.seed == volume_request.BEST:
                return examples.others(serving, image_id)
            return [examples.named(serving, wanted.seed, image_id)]

        context = Context(volume_job(serving, "sam_3d seeded", request), cases, serving.memo)
        predictor = self.network(serving, request, volume, [wanted.question.label])
        found = answer(wanted.question, predictor, volume, context)
        facts = {
            "label_names": {wanted.question.label: 1},
            **({"label_assumed": wanted.assumed} if wanted.assumed else {}),
            **network_facts(predictor),
            **phase_facts(volume),
            **describe_object(found.found.object, volume, found.notes),
            "seed_from": wanted.seed,
            "confidence": round(found.found.confidence, 4),
            "latencies": milliseconds({"segment": time.perf_counter() - started}),
            "reader": current_reader(),
        }
        return Reply(found.mask, facts, wanted.reply)


class SamMultiTask(SamTask):
    """Points per label in, one label map in 3D out."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames, model: str = "") -> None:
        super().__init__(
            serving,
            names,
            type="deepedit",
            labels=names.values,
            dimension=3,
            description="Segment Anything in 3D, several labels at once: click on each of them",
            config=volume_request.shown_options(model),
        )

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """The label map (values 1..n in the order of the app's labels) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = self.opened(serving, request)
        wanted = volume_request.decode_labels(request, volume.geometry, self.names)
        predictor = self.network(serving, request, volume, list(wanted.prompts))
        context = Context(volume_job(serving, "sam_multi", request))
        several = answer(ObjectsQuestion(wanted.prompts, wanted.options), predictor, volume, context)
        labels = several.found.labels.items()
        facts = {
            "label_names": self.names.values,
            **network_facts(predictor),
            **phase_facts(volume),
            "labels": {name: describe_object(one, volume, own_notes(one, volume)) for name, one in labels},
            "contested": several.found.contested,
            "partial": not several.found.whole,
            "latencies": milliseconds({"segment": time.perf_counter() - started}),
            "reader": current_reader(),
            "warnings": list(several.notes),
        }
        return Reply(several.found.mask_with(self.names.values), facts, wanted.reply)
