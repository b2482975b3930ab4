"""`sam_2d`: points, a box, scribbles or a prior mask in, one object on one slice out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from sam_infer.ask.answer import answer as answer_of
from sam_infer.imaging.arriving import whole_of
from sam_infer.job import CancelledError
from sam_infer.serving.server_state import Asker, Click, Serving
from sam_infer.serving.work_queue import Priority
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.advice import Advisor
from sam_infer.uncertainty.warning_skill import WarningSkill
from samlabel.access.disconnect import client_has_gone
from samlabel.access.identity import current_reader
from samlabel.label_names import LabelNames
from samlabel.online.learning import OnlineLearning
from samlabel.tasks.job import tracked_job
from samlabel.tasks.task import SamTask
from samlabel.wire import doubt_reply, slice_reply, slice_request
from samlabel.wire.phase_request import phase_facts
from samlabel.wire.reply import Reply, network_facts, online_facts
from samlabel.wire.slice_request import InferRequest


class Sam2dTask(SamTask):
    """One click: the image is read once, the question is understood, the queue answers it."""

    def __init__(
        self,
        serving: Callable[[], Serving],
        names: LabelNames,
        online: Callable[[], OnlineLearning],
        worth: Callable[[Predictor], WarningSkill | None] = lambda predictor: None,
    ) -> None:
        super().__init__(
            serving,
            names,
            type="deepgrow",
            labels=list(names.names),
            dimension=2,
            description="Segment Anything on one slice: click on what it is, click on what it is not, or draw a box",
            config=dict(slice_request.OPTIONS),
            online=online,
        )
        self._worth = worth  # of warnings, on the team's own accepted cases

    def reply(self, request: Mapping[str, Any]) -> Reply:
        """The mask (value 1) and the JSON part."""
        started = time.perf_counter()
        serving = self.serving()
        volume = self.opened(serving, request, begun=True)
        wanted = slice_request.decode(request, volume.geometry, self.names)
        predictor = self.learned(request, self.network(serving, request, volume, [wanted.label]), [wanted.label])
        click = Click(volume, wanted.question, predictor)
        wish = slice_reply.advice_asked(request)
        if wish:
            return self._advised(serving, replace(click, volume=whole_of(volume)), wanted, wish)
        doubting = doubt_reply.asked(request, click.predictor, self.earlier(serving, request, volume))
        understood = time.perf_counter() - started
        reader, job, gone = current_reader(), tracked_job(request), client_has_gone()
        job.expect(1)
        job.begin()
        answer = serving.predict(click, Asker(reader, lambda: gone() or job.stops()))
        job.progress(1)
        answer = replace(answer, found=replace(answer.found, seconds={"read": understood, **answer.found.seconds}))
        facts = {
            **network_facts(click.predictor),
            **online_facts(click.predictor, [wanted.label]),
            **phase_facts(volume),
            **slice_reply.describe(answer, wanted, volume.geometry),
            "reader": reader,
        }
        if doubting is not None:
            axis, run = wanted.question.prompts.axis, lambda work: serving.queue.submit(work).result()
            facts[doubt_reply.KEY] = doubting.about(whole_of(volume), answer.mask, axis, [wanted.label], run)
        return Reply(answer.mask, facts, wanted.reply)

    def _advised(self, serving: Serving, click: Click, wanted: InferRequest, wish: str) -> Reply:
        """The same answer with advice, in idle time: every decode lets the clicks that wait go first.

        A client that has gone, because its reader clicked again, is advised no more.
        """
        gone, question = client_has_gone(), click.question

        def idle(work: Callable[[], Any]) -> Any:
            if gone():
                raise CancelledError("the client has gone")
            return serving.queue.submit(work, Priority.PREFETCH).result()

        answer = idle(partial(answer_of, question, click.predictor, click.volume))
        label = question.options.label
        advisor = Advisor(click.predictor, click.volume, question.prompts, answer.found, label, idle)
        if wish == slice_reply.DOUBT:
            told = slice_reply.doubted(advisor, self._worth(click.predictor))
        else:
            told = slice_reply.next_click(advisor)
        facts = {**network_facts(click.predictor), **slice_reply.describe(answer, wanted, click.volume.geometry)}
        return Reply(answer.mask, {**facts, slice_reply.ADVICE: told}, wanted.reply)
