"""The host's train task: accepted labels in, a judged adapter out, in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask

from sam_infer.audit.actor import COMMAND_LINE, Actor, person
from sam_infer.errors import SamError
from sam_infer.serving.activity import step_aside
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.studies import Studies
from sam_trainer.training.progress import FAILED, Progress, read_progress
from sam_trainer.training.run_round import PROGRESS_FILE, TrainingRound, training_folder
from samlabel.access.audited import working_for
from samlabel.label_names import LabelNames
from samlabel.loop.accepted_labels import accepted_labels
from samlabel.loop.stopping import stopping
from samlabel.tasks.standing_training import stand_alone
from samlabel.wire import train_request
from samlabel.wire.train_request import ORDERED_BY, ORDERED_FROM


class SamTrain(TrainTask):
    """Trains an adapter for the network that serves, judges it and promotes it if it is better."""

    def __init__(self, model: str, studies: Studies, names: LabelNames, policy: GatePolicy) -> None:
        super().__init__("Learns from accepted labels; the result serves only if it does better on held-out cases")
        self.model = model
        self._studies = studies
        self._names = names
        self._policy = policy

    def config(self) -> dict[str, Any]:
        """What a client may choose."""
        return dict(train_request.OPTIONS)

    def stats(self) -> dict[str, Any]:
        """How far the last training is, in the keys that 3D Slicer and OHIF plot."""
        return read_progress(training_folder(self.model) / PROGRESS_FILE)

    def order(self, request: Mapping[str, Any]) -> train_request.TrainOrder:
        """What a request asks for, or a refusal."""
        return train_request.parse(request, self.model, self._policy)

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Train; the summary."""
        order = self.order(request)
        if threading.current_thread() is threading.main_thread():
            stand_alone()  # a process of its own, that may outlive its server
            step_aside()  # readers come first
        by = Actor(str(request.get(ORDERED_BY) or person()), str(request.get(ORDERED_FROM) or COMMAND_LINE))
        with working_for(by):
            accepted = [] if order.resume else self._accepted(datastore, order.config.epochs)
            with stopping() as should_stop:
                learned = TrainingRound(order.config, order.policy).run(accepted, should_stop, order.resume)
        return {"adapter": learned.adapter, "promoted": learned.promoted, "message": learned.message}

    def _accepted(self, datastore: Datastore, epochs: int) -> list[AcceptedLabel]:
        """The labels that count; that there are none, or that the archive is away, is told where clients look."""
        try:
            return accepted_labels(datastore, self._studies, self._names)
        except SamError as error:
            path = training_folder(self.model) / PROGRESS_FILE
            Progress(path, epochs, model=self.model).finish(FAILED, str(error))
            raise
