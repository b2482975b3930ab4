"""Registry of what the host asks an app for by name: infer tasks, strategies, scoring methods, trainers."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.scoring import ScoringMethod
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from sam_infer.serving.server_state import Serving
from sam_trainer.active.selection import Selection
from sam_trainer.labels.ledger import Ledger
from sam_trainer.studies import Studies
from samlabel.config import AppConfig
from samlabel.engine import serving_adapter
from samlabel.label_names import LabelNames
from samlabel.loop.accepted_labels import accepted_case
from samlabel.loop.examples import Examples
from samlabel.loop.warning_skill import MeasuredSkill
from samlabel.online.learning import Choice, OnlineLearning
from samlabel.store.folder import StudyStore
from samlabel.tasks.auto_task import SamAutoTask
from samlabel.tasks.batch import batch_infer
from samlabel.tasks.class_task import SamClassTask
from samlabel.tasks.command_task import SamTextTask
from samlabel.tasks.next_case import DESCRIPTIONS, NextCase
from samlabel.tasks.scoring_task import SCORING, SamUncertainty
from samlabel.tasks.slice_task import Sam2dTask
from samlabel.tasks.train_task import SamTrain
from samlabel.tasks.volume_task import Sam3dTask, SamMultiTask
from samlabel.wire.train_request import TRAINER


class TaskRegistry:
    """Registers the infer, train, scoring and strategy tasks."""

    config: AppConfig
    label_names: LabelNames
    serving: Serving  # of the app: built by whoever asks first
    studies: str  # as the host was told
    source: Studies  # the same as a value
    _store: StudyStore

    def init_infers(self) -> dict[str, InferTask]:
        """`sam_auto` first: 3D Slicer runs the first model that knows a label on every new case."""

        def serving() -> Serving:
            return self.serving

        def examples() -> Examples:
            return Examples(self._store, names, self.studies)

        def online() -> OnlineLearning:
            return self.online

        names = self.label_names
        return {
            "sam_auto": SamAutoTask(serving, names, examples, online),
            "sam_2d": Sam2dTask(
                serving, names, online, lambda predictor: MeasuredSkill(self._store, self.source).known(predictor)
            ),
            "sam_3d": Sam3dTask(serving, names, examples, online, self.config.model),
            "sam_multi": SamMultiTask(serving, names, self.config.model),
            "sam_class": SamClassTask(serving, names),
            "sam_text": SamTextTask(serving, names, examples),
        }

    def init_strategies(self) -> dict[str, Strategy]:
        """Which case comes next."""
        return {name: NextCase(name, lambda: self.selection) for name in DESCRIPTIONS}

    @cached_property
    def selection(self) -> Selection:
        """What is known when a case is chosen."""
        return Selection(self.source, self.config.selection_policy, lambda: serving_adapter(self.config))

    @cached_property
    def online(self) -> OnlineLearning:
        """What was learned since the adapter."""
        choice = Choice(self.config.online, self.config.online_for)
        case_of = partial(accepted_case, self._store, self.source, self.label_names)
        return OnlineLearning(lambda: self.serving, self.source, case_of, choice)

    @property
    def ledger(self) -> Ledger:
        """Every label that was ever accepted here."""
        return Ledger.of(self.source)

    def init_scoring_methods(self) -> dict[str, ScoringMethod]:
        """How much each case is worth a label."""
        return {SCORING: SamUncertainty(lambda: self.serving, self.config, self.label_names, self.source)}

    def init_trainers(self) -> dict[str, TrainTask]:
        """One trainer, for the network that serves."""
        return {TRAINER: SamTrain(self.config.model, self.source, self.label_names, self.config.gate_policy)}

    def init_batch_infer(self) -> Callable[..., Any]:
        """Every image of the studies, one after the other."""
        return batch_infer
