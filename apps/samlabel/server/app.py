"""The MONAI Label app: builds the parts and hands them to the host.

The host builds this class again in every training, scoring and batch process, so the constructor only assigns:
weights are loaded right before a server listens, or by the first request.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import structlog
from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore

from sam_infer.adapters.store import AdapterStore
from sam_infer.audit.actor import ask_through
from sam_infer.errors import SamError, VolumeError
from sam_infer.imaging.claims.claim import VARIABLE
from sam_infer.imaging.volume import Mask
from sam_infer.serving.server_state import Serving
from sam_trainer.active.case_scoring import CaseScoring, standing_measure
from sam_trainer.active.strategies import RANDOM
from sam_trainer.judging.alarm import watch
from sam_trainer.studies import Studies
from samlabel.access.audited import current_actor, note_start
from samlabel.access.identity import current_person
from samlabel.access.login_state import LOGINS
from samlabel.config import AppConfig
from samlabel.engine import load_serving, warm_up
from samlabel.errors import NotFoundError, RequestError
from samlabel.host import sessions
from samlabel.host import settings as host_settings
from samlabel.host.logs import starting_in_words
from samlabel.label_names import app_labels
from samlabel.loop.accepted_labels import note_label
from samlabel.loop.answers_given import AnswersGiven
from samlabel.loop.background_scoring import BackgroundScoring
from samlabel.loop.best_modes import BestModes
from samlabel.loop.examples import Examples
from samlabel.loop.model_by_label import ModelByLabel
from samlabel.loop.study_cases import StudyCases
from samlabel.loop.warning_skill import MeasuredSkill
from samlabel.routes.metrics import METRICS
from samlabel.server.late_readers import LateReaders
from samlabel.server.registry import TaskRegistry
from samlabel.store.archive import open_archive
from samlabel.store.folder import StudyStore
from samlabel.tasks import next_case
from samlabel.tasks.standing_training import adopt
from samlabel.tasks.task import SamTask
from samlabel.wire.label_facts import quarantine_of
from samlabel.wire.phase_request import unnamed
from samlabel.wire.reply import Reply

log = structlog.get_logger(__name__)


class SamApp(TaskRegistry, MONAILabelApp):
    """Segment Anything for radiology: interactive masks, proposals, checked storage."""

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str] | None) -> None:
        with starting_in_words():
            self._build(app_dir, studies, conf or {})

    def _build(self, app_dir: str, studies: str, conf: Mapping[str, str]) -> None:
        host_settings.align(settings)
        ask_through(current_actor)
        self.config = AppConfig.of(conf)
        if "image_mb" in conf:
            os.environ[VARIABLE] = str(self.config.image_mb)  # the processes that train and score inherit it
        self.source = Studies.of(studies)
        self.label_names = app_labels(self.config, studies)
        self._serving: Serving | None = None
        self._answers = AnswersGiven()
        self._loading = threading.Lock()
        super().__init__(
            app_dir,
            studies,
            dict(conf),
            name="samlabel",
            description="Segment Anything for radiology annotation",
            labels=list(self.label_names.names),
        )

    @property
    def serving(self) -> Serving:
        """Volumes, embeddings and the network; built by whoever asks first."""
        with self._loading:
            serving = self._serving
            if serving is None:
                self.serving = serving = load_serving(self.config, self.source)
            return serving

    @serving.setter
    def serving(self, serving: Serving) -> None:
        self._serving = serving
        METRICS.watch(serving)

    def init_datastore(self) -> Datastore:
        """A studies folder or a DICOMweb archive, in our safe versions."""
        if self.source.is_archive:
            self._store: StudyStore = open_archive(str(self.source))
        else:
            self._store = StudyStore(
                self.studies,
                auto_reload=settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD,
                read_only=settings.MONAI_LABEL_DATASTORE_READ_ONLY,
            )
        self._store.leases.seconds = float(self.config.lease_seconds)
        return self._store

    def next_sample(self, request: dict[str, Any]) -> dict[str, Any]:
        """A case for one reader: not one that somebody else has open, nor the one that the reader leaves."""
        wish, left = next_case.parse(request, request.get("strategy") or RANDOM), str(request.get("leave") or "")
        who = wish.reader
        if left:
            self._store.leases.end(left, who)
        elsewhere = self._store.leases.of_others(who) | {left} | self._unseen()
        while offer := self.selection.next(wish, set(self._store.get_unlabeled_images()) - elsewhere):
            image = offer.case
            elsewhere.add(image)
            if self._store.leases.take(image, who).reader != who:
                continue  # somebody else was sent there in this moment
            try:
                path = self._store.get_image_uri(image)
                self.selection.note(offer, who)
                if self._serving is not None:
                    self._serving.open_ahead(Path(path))
                return {**offer.facts(), "path": path}
            except VolumeError as error:
                log.warning("case cannot be opened, another one is offered", image=image, reason=str(error))
                self._store.leases.end(image, who)
        return {}

    def _unseen(self) -> set[str]:
        """Cases of projects that are not the caller's."""
        seen = LOGINS.seen(current_person())
        return set() if seen is None else set(self._store.list_images()) - seen.images

    def answer(self, request: Mapping[str, Any]) -> Reply:
        """Answer a reader's request about one image, and remember what was answered until a label is saved."""
        reply = self._reply(request, self._store)
        image = request["image"]
        # Of images in time nobody knows yet which phases a reader will save: what was changed is not measured.
        if isinstance(image, str) and isinstance(reply.mask, Mask) and "phases" not in reply.facts:
            self._answers.note(image, reply.mask, request, reply.facts)
        return reply

    def infer(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """The same for the host's batches: the mask as a file, or stored as a label."""
        store, image = datastore or self.datastore(), request.get("image")
        reply = self._reply(request, store)
        file, tag = reply.file(), request.get("label_tag", "original")
        if not (request.get("save_label") and isinstance(image, str)):
            return {"label": str(file), "tag": tag, "file": str(file), "params": reply.facts}
        info = {"model": request["model"], "params": reply.facts}
        if "phases" in reply.facts and isinstance(reply.mask, Mask):
            info["phase"] = reply.facts["phase"]
        try:
            stored = store.save_label(image, str(file), tag, info)
        finally:
            file.unlink(missing_ok=True)
        return {"label": stored, "tag": tag, "file": None, "params": reply.facts}

    def _reply(self, request: Mapping[str, Any], store: Datastore) -> Reply:
        """What a task says about an image.

        A string names an image of the studies; only our own route hands over a `Path` (an upload, a session), which
        no JSON can contain. The host's version opens any path that exists on the server.
        """
        task, image = self.infer_task(request.get("model")), request.get("image")
        if not isinstance(image, str | Path):
            raise RequestError("image must be the id of an image", "image")
        named = image if isinstance(image, str) else None
        path = image if isinstance(image, Path) else Path(store.get_image_uri(image))
        reply = task.reply({**request, "image": path, "image_id": named})
        note = store.get_image_info(named).get("note") if named else None
        notes = [sentence for sentence in (note, unnamed(request, reply.facts)) if sentence]
        if notes:
            reply.facts["warnings"] = [*reply.facts.get("warnings", []), *notes]
        return reply

    def infer_task(self, name: str | None) -> SamTask:
        """The task called `name`."""
        if name not in self._infers:
            raise NotFoundError(f"there is no model {name!r}; this server has {', '.join(self._infers)}", "model")
        return cast(SamTask, self._infers[name])  # all of them are made in the registry

    def on_save_label(self, image_id: str, label_id: str) -> dict[str, Any]:
        """A label was saved, of any tag: the accepted ones go into the ledger; what its reader is told besides."""
        work = self._answers.of(image_id)
        taken = note_label(self.datastore(), self.source, self.label_names, image_id, work)
        if taken is None:
            return {}
        if taken.new:
            self.online.wake()
            self._answers.forget(image_id)
            self._watch()
        return quarantine_of(taken.record)

    def _watch(self) -> None:
        """Look whether readers change more than before the last promotion; a label is saved whatever comes of it."""
        try:
            watch(AdapterStore(self.config.model), self.ledger.records, self.config.watch_policy)
        except (SamError, OSError) as error:
            log.error("the adapter that serves could not be watched", reason=str(error))

    def cleanup_sessions(self) -> None:
        """Delete sessions that are over; a damaged one is no reason not to start."""
        if self._sessions is not None:
            sessions.remove_expired(self._sessions)

    def on_init_complete(self) -> None:
        """A server is about to listen: mend its routes, load the network, pay for what is slow the first time."""
        note_start(self.conf)
        super().on_init_complete()
        host = sys.modules.get("monailabel.app")
        if host is not None:
            from samlabel.server.asgi import mend  # only where there is a server, and after this class exists

            mend(host.app)
        adopt(self.config.model)
        if self.config.scoring:
            most = self.config.scoring_most
            self._scoring = BackgroundScoring(self._case_scoring, self._has_labels, most, beside=self._best_modes)
            self._scoring.start()
        if self.config.warm_up:
            self._warm_up()
            LateReaders().start()
        if self.online.choice.is_on:
            self.online.start()

    def _warm_up(self) -> None:
        try:
            warm_up(self.serving)
            log.info("ready", model=self.serving.predictor.backbone.name)
            threading.Thread(target=self.serving.load_ahead, name="further-models", daemon=True).start()
        except SamError as error:
            log.error("the model cannot be used; clicks are refused until this is cured", reason=str(error))

    def _case_scoring(self) -> CaseScoring:
        cases, model = StudyCases(self._store, self.source, self.label_names), self.config.model
        return CaseScoring(self.serving, cases, model, standing_measure(self.config.scoring_measure, model))

    def _best_modes(self, should_stop: Callable[[], bool]) -> None:
        BestModes(Examples(self._store, self.label_names, self.studies)).renew(self.serving, should_stop)
        MeasuredSkill(self._store, self.source).renew(self.serving, should_stop)
        cases = StudyCases(self._store, self.source, self.label_names)
        ModelByLabel(cases, self.config).renew(self.serving, should_stop)

    def _has_labels(self) -> bool:
        return bool(self._store.get_labeled_images())
