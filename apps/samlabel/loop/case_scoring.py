"""Builds the scorer of unlabelled cases (uncertainty for active learning) from what a server has at hand."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import cast

import structlog
from monailabel.interfaces.datastore import Datastore

from sam_infer.adapters.store import AdapterStore
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.modes import MOST_TEACHERS
from sam_infer.errors import PromptError
from sam_infer.imaging.canonical_view import CanonicalView
from sam_infer.job import Job
from sam_infer.models import ensemble
from sam_infer.serving.server_state import Serving
from sam_infer.serving.work_queue import Priority
from sam_infer.uncertainty.calibration import Calibration
from sam_infer.uncertainty.case_score import Scorer, ScoreSettings
from sam_infer.uncertainty.measures import ADAPTERS, DEFAULT, checked_method
from sam_trainer.active.score_table import ScoreTable
from sam_trainer.active.scoring import Images, Made, Scoring, ScoringOutcome, waiting
from sam_trainer.errors import TrainingError
from sam_trainer.judging.calibrate import calibrate, calibration_file
from sam_trainer.labels.cases import slice_axis
from samlabel.config import AppConfig
from samlabel.label_names import LabelNames
from samlabel.loop.accepted_labels import accepted_labels
from samlabel.loop.examples import Examples
from samlabel.store.folder import StudyStore

log = structlog.get_logger(__name__)

# Cases that a temperature is fitted to and judged on: more hardly move it.
MOST_CALIBRATED = 24


class CaseScoring:
    """Scores the cases of one store by the network that serves; every slice waits its turn behind clicks."""

    def __init__(
        self,
        serving: Serving,
        store: Datastore,
        names: LabelNames,
        studies: str,
        model: str,
        measure: str | None = None,
    ) -> None:
        self._serving = serving
        self._store = store
        self._names = names
        self._studies = studies
        self._model = model
        self._measure = usable_measure(measure or DEFAULT, model)
        self.table = ScoreTable.of(studies)

    def run(
        self,
        pause: Callable[[], None],
        should_stop: Callable[[], bool],
        *,
        force: bool = False,
        most: int | None = None,
        without: Collection[str] = (),
    ) -> ScoringOutcome:
        """Score what needs it, at most so many, until done, stopped, or another adapter serves."""
        adapter = self._serving.predictor.adapter
        images = {name: path for name, path in self.images().items() if name not in without}
        made = Made(adapter, self._measure, bool(self._store.get_labeled_images()))
        due = waiting(images, self.table.all(), made, force)[:most]
        found = ScoringOutcome(skipped=len(images) - len(due))
        if not due:
            return found  # nothing is read or computed to find that out

        def over() -> bool:
            return should_stop() or self._serving.predictor.adapter != adapter

        wanted = {name: images[name] for name in due}
        for found in self.scoring(over).run(wanted, True, pause, over):
            log.debug("scoring", done=len(found.done), failed=len(found.failed))
        found.skipped = len(images) - len(due)
        self.table.tidy(set(self._store.list_images()))  # labelled cases stay: others are compared with them
        log.info(found.sentence)
        return found

    def images(self) -> Images:
        """Every case without a label; those of an archive are fetched when it is their turn."""
        names = sorted(self._store.get_unlabeled_images())
        if "://" in self._studies:
            return dict.fromkeys(names)
        return {name: self._located(name) for name in names}

    def _located(self, name: str) -> Path:
        return Path(self._store.get_image_uri(name))

    def scoring(self, should_stop: Callable[[], bool] = lambda: False) -> Scoring:
        """The scorer of this moment's network and labels."""
        predictor, job = self._serving.predictor, self._conduct(should_stop)
        settings = ScoreSettings(
            self._measure,
            calibration=self._calibration(),
            earlier=self._serving.earlier(predictor) if self._measure == ADAPTERS else (),
        )
        scorer = Scorer(predictor, self._names.names, self._examples(), settings, job, self._serving.memo)
        return Scoring(scorer, self.table, read=self._serving.volume, locate=self._located)

    def _conduct(self, should_stop: Callable[[], bool]) -> Job:
        return Job(lambda work: self._serving.queue.submit(work, Priority.BATCH).result(), should_stop)

    def _examples(self) -> list[AcceptedCase]:
        """Accepted cases the way scored ones are looked at."""
        store = cast(StudyStore, self._store)  # the host names it by its parent class
        cases = Examples(store, self._names, self._studies).others(self._serving, None)[:MOST_TEACHERS]
        found = []
        for case in cases:
            view = CanonicalView.of(case.volume, slice_axis(case.volume.geometry))
            found.append(AcceptedCase(view.volume(case.volume), view.mask(case.labels)))
        return found

    def _calibration(self) -> Calibration:
        """The temperature of the network that serves; fitted anew when there are many more labels to go by."""
        predictor = self._serving.predictor
        file = calibration_file(self._model, predictor.adapter)
        known = Calibration.read(file)
        try:
            accepted = accepted_labels(self._store, self._studies, self._names)[-MOST_CALIBRATED:]
        except TrainingError as error:  # all in quarantine
            log.info("not calibrated", reason=str(error))
            return known
        if not known.outgrown_by(len(accepted)):
            return known
        found = calibrate(predictor, accepted, job=self._conduct(lambda: False))
        if found.cases:
            found.write(file)
            log.info(
                "calibrated",
                adapter=predictor.adapter,
                temperature=round(found.temperature, 3),
                ece_before=found.ece_before,
                ece_after=found.ece_after,
                iou_error_before=found.iou_error_before,
                iou_error_after=found.iou_error_after,
            )
        return found


def usable_measure(name: str, model: str) -> str:
    """The name of a measure that can be taken today, or a refusal that says why not."""
    if checked_method(name) == ADAPTERS:
        ensemble.members(AdapterStore(model))
    return name


def standing_measure(config: AppConfig) -> str:
    """The measure of the settings; the usual one as long as it cannot be taken."""
    try:
        return usable_measure(config.scoring_measure, config.model)
    except PromptError as error:
        log.info("scored by another measure meanwhile", measure=DEFAULT, reason=str(error))
        return DEFAULT
