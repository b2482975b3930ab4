"""Scoring of unlabelled cases by the network that serves: which need it, by what measure, calibrated how."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress

import structlog

from sam_infer.adapters.store import AdapterStore
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.looks import MOST_TEACHERS
from sam_infer.errors import PromptError
from sam_infer.imaging.canonical_view import CanonicalView
from sam_infer.job import CancelledError, Job
from sam_infer.models import ensemble
from sam_infer.models.current import ranker_file
from sam_infer.serving.server_state import Serving
from sam_infer.serving.work_queue import Priority
from sam_infer.uncertainty.calibration import Calibration
from sam_infer.uncertainty.case_score import Scorer, ScoreSettings
from sam_infer.uncertainty.error_correlation import checked_method
from sam_infer.uncertainty.measures import ADAPTERS, DEFAULT
from sam_trainer.active.cases import Cases
from sam_trainer.active.score_table import ScoreTable
from sam_trainer.active.scoring import Images, Made, Scoring, ScoringOutcome, waiting
from sam_trainer.errors import TrainingError
from sam_trainer.judging.calibrate import calibrate, calibration_file
from sam_trainer.judging.rank_accepted import calibrated_ranker
from sam_trainer.labels.cases import slice_axis

log = structlog.get_logger(__name__)

# Cases that a temperature is fitted to and judged on: more hardly move it.
MOST_CALIBRATED = 24


class CaseScoring:
    """Scores by the network that serves; every slice waits its turn behind clicks."""

    def __init__(self, serving: Serving, cases: Cases, model: str, measure: str | None = None) -> None:
        self._serving = serving
        self._cases = cases
        self._model = model
        self._measure = usable_measure(measure or DEFAULT, model)
        self.table = ScoreTable.of(cases.studies)

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
        made = Made(adapter, self._measure, bool(self._cases.labelled()))
        due = waiting(images, self.table.all(), made, force)[:most]
        found = ScoringOutcome(skipped=len(images) - len(due))
        if not due:
            return found  # nothing is read or computed to find that out

        def over() -> bool:
            return should_stop() or self._serving.predictor.adapter != adapter

        wanted = {name: images[name] for name in due}
        with suppress(CancelledError):  # stopped while it calibrated
            for found in self.scoring(over).run(wanted, True, pause, over):
                log.debug("scoring", done=len(found.done), failed=len(found.failed))
        found.skipped = len(images) - len(due)
        self.table.tidy(set(self._cases.every()))  # labelled cases stay: others are compared with them
        log.info(found.sentence)
        return found

    def images(self) -> Images:
        """Every case without a label; those of an archive are fetched when it is their turn."""
        names = sorted(self._cases.unlabelled())
        if self._cases.studies.is_archive:
            return dict.fromkeys(names)
        return {name: self._cases.path(name) for name in names}

    def scoring(self, should_stop: Callable[[], bool] = lambda: False) -> Scoring:
        """The scorer of this moment's network and labels."""
        predictor, job = self._serving.predictor, self._job(should_stop)
        settings = ScoreSettings(
            self._measure,
            calibration=self._calibration(job),
            earlier=self._serving.earlier(predictor) if self._measure == ADAPTERS else (),
        )
        scorer = Scorer(predictor, self._cases.labels, self._examples(), settings, job, self._serving.memo)
        return Scoring(scorer, self.table, read=self._serving.volume, locate=self._cases.path)

    def _job(self, should_stop: Callable[[], bool]) -> Job:
        return Job(lambda work: self._serving.queue.submit(work, Priority.BATCH).result(), should_stop)

    def _examples(self) -> list[AcceptedCase]:
        """Accepted cases the way scored ones are looked at."""
        found = []
        for case in self._cases.examples(self._serving)[:MOST_TEACHERS]:
            view = CanonicalView.of(case.volume, slice_axis(case.volume.geometry))
            found.append(AcceptedCase(view.volume(case.volume), view.mask(case.labels)))
        return found

    def _calibration(self, job: Job) -> Calibration:
        """The temperature of the network that serves; fitted anew when there are many more labels to go by."""
        predictor = self._serving.predictor
        file = calibration_file(self._model, predictor.adapter)
        known = Calibration.read(file).fitting(predictor.known_as)
        try:
            accepted = self._cases.accepted()[-MOST_CALIBRATED:]
        except TrainingError as error:  # all in quarantine
            log.info("not calibrated", reason=str(error))
            return known
        if not known.outgrown_by(len(accepted)):
            return known
        found = calibrate(predictor, accepted, job=job)
        if found.cases:
            found.write(file)
            ranker = calibrated_ranker(predictor, accepted, job)
            if ranker is not None:
                ranker.write(ranker_file(AdapterStore(self._model), predictor.adapter))
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


def standing_measure(wanted: str, model: str) -> str:
    """The measure that is wanted; the usual one as long as it cannot be taken."""
    try:
        return usable_measure(wanted, model)
    except PromptError as error:
        log.info("scored by another measure meanwhile", measure=DEFAULT, reason=str(error))
        return DEFAULT
