"""Which model answers which label, as accepted cases say: compared in the background or by a command, then followed.

It is compared anew when accepted labels or the networks have changed; a server follows the table at its next click.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from sam_infer.adapters.store import AdapterStore
from sam_infer.audit.line import MODEL_CHOSEN, Deed
from sam_infer.audit.trail import Trail
from sam_infer.errors import ModelError
from sam_infer.imaging.volume import MODALITIES
from sam_infer.job import CancelledError
from sam_infer.models.load import weights_id_of
from sam_infer.models.model_table import ModelChoice, ModelTable
from sam_infer.serving.activity import Activity
from sam_infer.serving.server_state import Serving
from sam_infer.slices.predictor import NO_ADAPTER
from sam_infer.weights.available import EMBEDDED
from sam_trainer.judging.model_gate import Compared, Competition, Competitor, chosen, compared, now, readable
from samlabel.config import AppConfig
from samlabel.engine import model_table_file
from samlabel.loop.study_cases import StudyCases

log = structlog.get_logger(__name__)

BY_HAND = "chosen by hand"


@dataclass(frozen=True)
class ModelByLabel:
    """The choice of models for the labels of some studies."""

    cases: StudyCases
    config: AppConfig

    @property
    def table(self) -> ModelTable:
        """What holds now."""
        return ModelTable.read(model_table_file(self.cases.studies))

    def renew(self, serving: Serving, should_stop: Callable[[], bool]) -> None:
        """Compare where something has changed, while nobody clicks; only a server of several models does."""
        if len(self.config.models) < 2:
            return
        activity, adapter = Activity(), serving.predictor.adapter

        def pause() -> None:
            activity.wait(should_stop)
            if should_stop() or serving.predictor.adapter != adapter:
                raise CancelledError("something else is more urgent")

        try:
            self.compare(serving, pause)
        except CancelledError:
            return

    def compare(self, serving: Serving, pause: Callable[[], None], again: bool = False) -> list[Compared]:
        """Ask all models about accepted cases and keep what follows; nothing where nothing has changed.

        `pause` is called between objects, and may raise to end it: then the table stays as it was.
        """
        competition, table = Competition(serving.model, [_competitor(name) for name in self.config.models]), self.table
        cases = competition.fair(self.cases.accepted())
        judged = competition.judged(cases)
        if not cases or (judged == table.judged and not again):
            return []
        modalities = readable(cases)
        cases = [case for case in cases if case.name in modalities]
        policy = self.config.gate_policy
        rows = compared(competition.scores(cases, policy, pause), modalities, table, self.config.model)
        renewed, rows = chosen(rows, table, policy)
        self._keep(table, replace(renewed, judged=judged))
        return rows

    def use(self, model: str, label: str, modality: str) -> ModelChoice:
        """Have a model answer a label from the next click on, whatever was measured."""
        if model not in self.config.models:
            raise ModelError(f"model must be one of {', '.join(self.config.models)}, got {model!r}", "model")
        if label not in self.cases.labels:
            raise ModelError(f"label must be one of {', '.join(self.cases.labels)}, got {label!r}", "label")
        if modality not in MODALITIES:
            raise ModelError(f"modality must be one of {', '.join(MODALITIES)}, got {modality!r}", "modality")
        choice = ModelChoice(label, modality, model, BY_HAND, now())
        table = self.table
        self._keep(table, table.with_choice(choice))
        return choice

    def _keep(self, before: ModelTable, table: ModelTable) -> None:
        """Write the table; the audit trail says first what changes."""
        trail = Trail.of()
        for choice in table.choices:
            if before.of(choice.label, choice.modality) != choice:
                how = f"{choice.label} on {choice.modality}: {choice.why}"
                trail.add(Deed(MODEL_CHOSEN, choice.model, how=how))
                log.info("another model answers", model=choice.model, label=choice.label, why=choice.why)
        table.write(model_table_file(self.cases.studies))


def _competitor(name: str) -> Competitor:
    """A model as it would serve now."""
    weights = "" if name == EMBEDDED else weights_id_of(name)  # the embedded one changes with this version only
    return Competitor(name, AdapterStore(name).pointer().adapter or NO_ADAPTER, weights)
