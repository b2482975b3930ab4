"""Which of several models answers: for a label and a modality the one that a table names, for all others the main one.

The table is a file that is written where models are compared (`sam_trainer/judging/model_gate.py`) or by a person; who
serves looks at it with one `stat` per question. A model is loaded when it is first needed. Those that were not needed
for longest are let go when all together take more memory than they may; one always stays.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import ModelError, SamError
from sam_infer.models.current import CurrentPredictor
from sam_infer.models.ensemble import Ensemble
from sam_infer.models.load import BaseNetwork
from sam_infer.models.model_table import ModelTable
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor

log = structlog.get_logger(__name__)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """One network in memory, with whatever adapter of its own is promoted."""

    current: CurrentPredictor
    ensemble: Ensemble
    bytes: int
    _last: list[Predictor] = field(default_factory=list)

    @classmethod
    def of(cls, base: BaseNetwork, cache: EmbeddingCache) -> LoadedModel:
        """With the adapters of the store that has its name."""
        store = AdapterStore(base.name)
        weight = sum(tensor.numel() * tensor.element_size() for tensor in base.weights.values())
        return cls(CurrentPredictor(store, cache, base.backbone), Ensemble(store, cache, base.backbone), weight)

    @property
    def predictor(self) -> Predictor:
        """What answers the next question."""
        self._last[:] = [self.current.follow(self._last[0]) if self._last else self.current.first()]
        return self._last[0]


class ModelsByLabel:
    """The models besides the main one, and the table that says when they are asked.

    Threading: whoever first needs a model loads it, the others wait. One that is let go answers what it has begun.
    """

    def __init__(self, main: str, file: Path, load: Callable[[str], LoadedModel], most_bytes: int) -> None:
        self.main, self.file = main, file
        self._load, self._most = load, most_bytes
        self._loaded: OrderedDict[str, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._table = ModelTable()

    def predictor(self, labels: Sequence[str], modality: str) -> Predictor | None:
        """What answers about labels; None: the main model, also where several labels have different models."""
        table = self._now()
        choices = [table.of(label, modality) for label in dict.fromkeys(labels)]
        chosen = {self.main if choice is None else choice.model for choice in choices}
        if len(chosen) != 1 or chosen == {self.main} or choices[0] is None:
            return None
        try:
            return replace(self.named(choices[0].model), model_why=choices[0].why)
        except SamError as error:
            log.error("the model that was chosen cannot be used; the main one answers", reason=str(error))
            return None

    def named(self, model: str) -> Predictor:
        """A model's predictor, loaded if need be."""
        return self._of(model).predictor

    def load_ahead(self) -> None:
        """Have the models that the table names in memory before somebody asks about their labels."""
        for model in dict.fromkeys(choice.model for choice in self._now().choices if choice.model != self.main):
            try:
                self.named(model)
            except SamError as error:
                log.error("a model that was chosen cannot be used; the main one answers", reason=str(error))

    def earlier(self, serves: Predictor) -> Sequence[Predictor]:
        """Those of earlier adapters of a model other than the main one."""
        return self._of(serves.backbone.name).ensemble.besides(serves)

    @property
    def loaded(self) -> Mapping[str, int]:
        """Bytes of the models in memory, the one that was needed last at the end."""
        with self._lock:
            return {name: model.bytes for name, model in self._loaded.items()}

    def _of(self, model: str) -> LoadedModel:
        with self._lock:
            if model not in self._loaded:
                self._loaded[model] = self._load(model)
                log.info("model loaded", model=model)
            self._loaded.move_to_end(model)
            while len(self._loaded) > 1 and sum(one.bytes for one in self._loaded.values()) > self._most:
                name, _ = self._loaded.popitem(last=False)
                log.info("model let go", model=name)
            return self._loaded[model]

    def _now(self) -> ModelTable:
        """The table, read again when its file was replaced; a damaged one leaves everything to the main model."""
        try:
            stat = self.file.stat()
        except OSError:
            return ModelTable()
        stamp = (stat.st_mtime_ns, stat.st_ino)
        if stamp != self._stamp:
            try:
                self._table = ModelTable.read(self.file)
            except ModelError as error:
                log.error("the main model answers everything", reason=str(error))
                self._table = ModelTable()
            self._stamp = stamp
        return self._table
