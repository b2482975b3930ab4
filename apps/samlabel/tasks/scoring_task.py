"""`sam_uncertainty` scoring task: how much a label of each case would help (`POST /scoring/sam_uncertainty`)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, cast

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.scoring import ScoringMethod

from sam_infer.serving.activity import Activity
from sam_infer.serving.server_state import Serving
from sam_infer.uncertainty.error_correlation import checked_method
from sam_trainer.active.case_scoring import CaseScoring, standing_measure, usable_measure
from sam_trainer.studies import Studies
from samlabel.config import AppConfig, flag
from samlabel.errors import ConfigError, RequestError
from samlabel.label_names import LabelNames
from samlabel.loop.stopping import stopping
from samlabel.loop.study_cases import StudyCases
from samlabel.store.folder import StudyStore

SCORING = "sam_uncertainty"

# The host itself puts in the method and, before it starts a process, the GPUs.
KNOWN = {"method", "gpus", "measure", "force", "user", "client_id", SCORING}

# Steps of niceness: on two cores a click would otherwise wait for it.
BEHIND_CLICKS = 10


class SamUncertainty(ScoringMethod):
    """Scores every case that has no score of the network that serves; goes on where it was interrupted."""

    def __init__(self, serving: Callable[[], Serving], config: AppConfig, names: LabelNames, studies: Studies) -> None:
        super().__init__("How unsure the network is about its own labels of each case; strategies choose by it")
        self._serving = serving
        self._config = config
        self._names = names
        self._studies = studies

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Score, pausing while readers click; the summary."""
        measure, force = parse(request)
        if threading.current_thread() is threading.main_thread():
            os.nice(BEHIND_CLICKS)  # a process of its own: readers come first
        config, cases = self._config, StudyCases(cast(StudyStore, datastore), self._studies, self._names)
        measure = measure or standing_measure(config.scoring_measure, config.model)
        scoring = CaseScoring(self._serving(), cases, config.model, measure)
        activity = Activity()
        with stopping() as should_stop:
            outcome = scoring.run(lambda: activity.wait(should_stop), should_stop, force=force)
        return {
            "done": len(outcome.done),
            "skipped": outcome.skipped,
            "failed": outcome.failed,
            "message": outcome.sentence,
        }


def check(request: Mapping[str, Any], model: str) -> None:
    """Refuse what the process that scores could only tell its log."""
    measure, _ = parse(request)
    if measure is not None:
        usable_measure(measure, model)


def parse(request: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The measure and whether to score everything anew; an unknown key is refused, not ignored."""
    unknown = sorted(set(request) - KNOWN)
    if unknown:
        raise RequestError(f"unknown parameter {unknown[0]!r}; known are force, measure", unknown[0])
    measure = request.get("measure")
    try:
        force = flag("force", str(request.get("force", "false")))
    except ConfigError as error:
        raise RequestError(str(error), "force") from None
    return None if measure is None else checked_method(str(measure)), force
