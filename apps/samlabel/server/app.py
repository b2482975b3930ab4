"""The MONAI Label app: builds the parts and hands them to the host.

The host builds this class again in every training, scoring and batch process, so the constructor only assigns:
weights are loaded right before a server listens, or by the first request.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask

from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import SamError, VolumeError
from sam_infer.serving.server_state import Serving
from sam_trainer.active.case_scoring import CaseScoring, standing_measure
from sam_trainer.active.strategies import RANDOM
from sam_trainer.judging.alarm import watch
from sam_trainer.studies import Studies
from samlabel.config import AppConfig
from samlabel.engine import load_serving, warm_up
from samlabel.errors import NotFoundError, RequestError
from samlabel.host import sessions
from samlabel.host import settings as host_settings
from samlabel.label_names import app_labels
from samlabel.loop.accepted_labels import note_label
from samlabel.loop.answers_given import AnswersGiven
from samlabel.loop.background_scoring import BackgroundScoring
from samlabel.loop.study_cases import StudyCases
from samlabel.routes.metrics import METRICS
from samlabel.server.registry import AppParts
from samlabel.store.archive import open_archive
from samlabel.store.folder import StudyStore
from samlabel.store.leases import Leases
from samlabel.tasks import next_case
from samlabel.wire.label_facts import quarantine_of
from samlabel.wire.reply import answered

log = structlog.get_logger(__name__)


class SamApp(AppParts, MONAILabelApp):
    """Segment Anything for radiology: interactive masks, proposals, checked storage."""

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str] | None) -> None:
        host_settings.align(settings)
        self.config = AppConfig.of(conf or {})
        self.source = Studies.of(studies)
        self.label_names = app_labels(self.config, studies)
        self._serving: Serving | None = None
        self._proposals = AnswersGiven()
        self._loading = threading.Lock()
        super().__init__(
            app_dir,
            studies,
            dict(conf or {}),
            name="samlabel",
            description="Segment Anything for radiology annotation",
            labels=list(self.label_names.names),
        )

    @property
    def serving(self) -> Serving:
        """Volumes, embeddings and the network; built by whoever asks first."""
        with self._loading:
            if self._serving is None:
                self.serving = load_serving(self.config)
            return self._serving

    @serving.setter
    def serving(self, serving: Serving) -> None:
        self._serving = serving
        METRICS.watch(serving)

    @property
    def leases(self) -> Leases:
        """Who has which case open."""
        return self._store.leases

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
            self.leases.end(left, who)
        elsewhere = self.leases.of_others(who) | {left}
        while offer := self.selection.next(wish, set(self._store.get_unlabeled_images()) - elsewhere):
            image = offer.case
            elsewhere.add(image)
            if self.leases.take(image, who).reader != who:
                continue  # somebody else was sent there in this moment
            try:
                path = self._store.get_image_uri(image)
                self.selection.note(offer, who)
                if self._serving is not None:
                    self._serving.open_ahead(Path(path))
                return {**offer.facts(), "path": path}
            except VolumeError as error:
                log.warning("case cannot be opened, another one is offered", image=image, reason=str(error))
                self.leases.end(image, who)
        return {}

    def infer(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Answer a request for one image.

        A string names an image of the studies; only our own route hands over a `Path` (an upload, a session), which
        no JSON can contain. The host's version opens any path that exists on the server.
        """
        task = self.infer_task(request.get("model"))
        store = datastore or self.datastore()
        image = request.get("image")
        if not isinstance(image, str | Path) or not str(image):
            raise RequestError("image must be the id of an image", "image")
        path = image if isinstance(image, Path) else Path(store.get_image_uri(image))
        named = image if isinstance(image, str) else None
        file, result = task({**request, "image": str(path), "image_id": named})
        note = store.get_image_info(named).get("note") if named else None
        if note:
            result["warnings"] = [*result.get("warnings", []), note]
        tag = request.get("label_tag", "original")
        if file and request.get("save_label") and isinstance(image, str):
            stored = store.save_label(image, file, tag, {"model": request["model"], "params": result})
            Path(file).unlink(missing_ok=True)
            return {"label": stored, "tag": tag, "file": None, "params": result}
        mask = answered()
        if named and mask is not None:
            self._proposals.note(named, mask, request, result)
        return {"label": file, "tag": tag, "file": file, "params": result}

    def infer_task(self, name: str | None) -> InferTask:
        """The task called `name`."""
        if name not in self._infers:
            raise NotFoundError(f"there is no model {name!r}; this server has {', '.join(self._infers)}", "model")
        return self._infers[name]

    def on_save_label(self, image_id: str, label_id: str) -> dict[str, Any]:
        """A label was saved, of any tag: the accepted ones go into the ledger; what its reader is told besides."""
        work = self._proposals.of(image_id)
        taken = note_label(self.datastore(), self.source, self.label_names, image_id, work)
        if taken is None:
            return {}
        if taken.new:
            self._proposals.forget(image_id)
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
        super().on_init_complete()
        host = sys.modules.get("monailabel.app")
        if host is not None:
            from samlabel.server.asgi import mend  # only where there is a server, and after this class exists

            mend(host.app)
        if self.config.scoring:
            self._scoring = BackgroundScoring(self._case_scoring, self._has_labels, self.config.scoring_most)
            self._scoring.start()
        if self.config.warm_up:
            self._warm_up()

    def _warm_up(self) -> None:
        try:
            warm_up(self.serving)
            log.info("ready", model=self.serving.predictor.backbone.name)
        except SamError as error:
            log.error("the model cannot be used; clicks are refused until this is cured", reason=str(error))

    def _case_scoring(self) -> CaseScoring:
        cases, model = StudyCases(self._store, self.source, self.label_names), self.config.model
        return CaseScoring(self.serving, cases, model, standing_measure(self.config.scoring_measure, model))

    def _has_labels(self) -> bool:
        return bool(self._store.get_labeled_images())
