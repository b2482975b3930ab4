"""`sam_2d`: points, a box, scribbles or a prior mask in, one object on one slice out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sam_infer.serving.server_state import Asker, Click, Serving
from samlabel.access.disconnect import client_has_gone
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.tasks.job import tracked_job
from samlabel.tasks.task import SamTask
from samlabel.wire import doubt_reply, slice_request
from samlabel.wire.phase_request import phase_facts
from samlabel.wire.reply import Reply, network_facts
from samlabel.wire.slice_reply import describe


class Sam2dTask(SamTask):
    """One click: the image is read once, the question is understood, the queue answers it."""

    def __init__(self, serving: Callable[[], Serving], names: LabelNames) -> None:
        super().__init__(
            serving,
            names,
            type="deepgrow",
            labels=list(names.names),
            dimension=2,
            description="Segment Anything on one slice: click on what it is, click on what it is not, or draw a box",
            config=dict(slice_request.OPTIONS),
        )

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """The mask (value 1) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = self.opened(serving, request)
        wanted = slice_request.decode(request, volume.geometry, self.names)
        click = Click(volume, wanted.question, serving.predictor)
        doubting = doubt_reply.asked(request, click.predictor, serving.earlier)
        understood = time.perf_counter() - started
        reader, job, gone = current_reader(), tracked_job(request), client_has_gone()
        job.expect(1)
        job.begin()
        answer = serving.predict(click, Asker(reader, lambda: gone() or job.stops()))
        job.progress(1)
        answer = replace(answer, found=replace(answer.found, seconds={"read": understood, **answer.found.seconds}))
        facts = {
            **network_facts(click.predictor),
            **phase_facts(volume),
            **describe(answer, wanted, volume.geometry),
            "reader": reader,
        }
        if doubting is not None:
            axis, run = wanted.question.prompts.axis, lambda work: serving.queue.submit(work).result()
            facts[doubt_reply.KEY] = doubting.about(volume, answer.mask, axis, [wanted.label], run)
        return Reply(answer.mask, facts, wanted.reply)
