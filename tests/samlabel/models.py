"""Models by another name that see only some objects, for tests that choose between models."""

from __future__ import annotations

import numpy as np

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.store import AdapterStore
from sam_infer.models.by_label import LoadedModel
from sam_infer.models.current import CurrentPredictor
from sam_infer.models.ensemble import Ensemble
from sam_infer.networks.backbone import Candidates, Features, Hints
from sam_infer.slices.embedding_cache import EmbeddingCache
from tests.samlabel.region_growing import SURE, RegionGrowing


class Seeing(RegionGrowing):
    """Grows regions of some brightness only: elsewhere it answers with nothing."""

    def __init__(self, name: str, darkest: float = 0.0, brightest: float = 255.0) -> None:
        super().__init__(f"encoder of {name}")
        self.name, self.weights_id = name, f"weights of {name}"
        self._sees = darkest, brightest

    def decode(self, features: Features, hints: Hints) -> Candidates:
        found, (x, y) = super().decode(features, hints), np.rint(hints.points_xy[0]).astype(int)
        grey, (low, high) = float(features["grey"][0, y, x]), self._sees
        if low <= grey <= high:
            return found
        return Candidates(np.full_like(found.logits, -SURE), found.scores, 0)


def loaded(name: str, weight: int = 1, darkest: float = 0.0, brightest: float = 255.0) -> LoadedModel:
    """A model in memory, without an adapter."""

    def build(adapter: Adapter | None = None, /, tag: str = "") -> Seeing:
        return Seeing(name, darkest, brightest)

    store, cache = AdapterStore(name), EmbeddingCache()
    return LoadedModel(CurrentPredictor(store, cache, build), Ensemble(store, cache, build), weight)
