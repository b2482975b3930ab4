"""What warnings are worth on the team's own accepted cases: measured in the background, read by requests.

The file lies in the user's home beside the scores of the same studies. It is measured anew when accepted labels or the
network have changed; until then what is there holds, if it is of the same network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from sam_infer.errors import SamError
from sam_infer.home import default_home
from sam_infer.serving.activity import Activity
from sam_infer.serving.server_state import Serving
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.warning_skill import WarningSkill
from sam_trainer.judging.advice import judge, labels_of, network_of
from sam_trainer.labels.cases import Case
from sam_trainer.labels.ledger import Ledger
from sam_trainer.studies import Studies
from samlabel.store.folder import StudyStore

log = structlog.get_logger(__name__)

FILE = "advice.json"


def skill_file(studies: Studies) -> Path:
    """Where the worth of warnings on some studies is kept."""
    return default_home() / "scores" / studies.key / FILE


@dataclass(frozen=True)
class MeasuredSkill:
    """The accepted cases of a store, as the ledger keeps them, and what warnings are worth there."""

    store: StudyStore
    studies: Studies

    def known(self, predictor: Predictor) -> WarningSkill | None:
        """What was measured of this network."""
        found = WarningSkill.read(skill_file(self.studies))
        return found if found is not None and found.network == network_of(predictor) else None

    def renew(self, serving: Serving, should_stop: Callable[[], bool]) -> None:
        """Measure where something has changed, while nobody clicks."""
        predictor, activity, cases = serving.predictor, Activity(), list(self._cases())
        known = self.known(predictor)
        if not cases or (known is not None and known.labels == labels_of(cases)):
            return

        def over() -> bool:
            activity.wait(should_stop)
            return should_stop() or serving.predictor.adapter != predictor.adapter

        found = judge(predictor, cases, over)
        if found is not None:
            found.write(skill_file(self.studies))
            log.info("advice", worth=found.sentence)

    def _cases(self) -> Iterator[Case]:
        """Accepted labels that count, with their images."""
        ledger = Ledger.of(self.studies)
        for name, record in sorted(ledger.standing().items()):
            try:
                image = Path(self.store.get_image_uri(name))
                about = self.store.get_image_info(name) or {}
                modality = str(about.get("Modality") or "unknown")
                yield Case("studies", name, image, ledger.label(record), modality, record.names, {})
            except SamError as error:
                log.warning("accepted case left out", image=name, reason=str(error))
