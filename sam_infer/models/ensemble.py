"""Ensemble of the last promoted adapters: where they disagree, the network is uncertain.

Those that were taken back do not count. Each is a whole network in memory, so a few have to do.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog

from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import AdapterError, PromptError
from sam_infer.models.current import Build, adapted
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor

log = structlog.get_logger(__name__)

LEAST, MOST = 2, 3


def members(store: AdapterStore) -> list[str]:
    """Ids of the last promoted adapters, the newest first; refused when they are too few to disagree."""
    found = store.pointer().promoted[:MOST]
    if len(found) < LEAST:
        raise PromptError(
            f"method adapters compares the last promoted adapters, at least {LEAST}; of {store.model} there are "
            f"{len(found)}: choose another method until more were promoted",
            "method",
        )
    return found


class Ensemble:
    """Predictors of the members, built when they are first asked for and kept until the pointer moves.

    Threading: whoever asks first builds them, the others wait.
    """

    def __init__(self, store: AdapterStore, cache: EmbeddingCache, build: Build) -> None:
        self._store = store
        self._cache = cache
        self._build = build
        self._lock = threading.Lock()
        self._of: tuple[object, str] | None = None
        self._others: tuple[Predictor, ...] = ()

    def besides(self, serves: Predictor) -> tuple[Predictor, ...]:
        """Predictors of the members other than the one that serves; refused when none of them can be used."""
        with self._lock:
            now = (self._store.stamp(), serves.adapter)
            if now != self._of:
                self._of, self._others = None, ()  # no two sets of networks at a time
                self._others = self._built([name for name in members(self._store) if name != serves.adapter])
                self._of = now
            return self._others

    def _built(self, names: Sequence[str]) -> tuple[Predictor, ...]:
        found = []
        for name in names:
            try:
                found.append(adapted(self._store, name, self._cache, self._build))
            except AdapterError as error:
                log.warning("an earlier adapter is left out of the ensemble", adapter=name, reason=str(error))
        if not found:
            raise PromptError("no earlier adapter can be used to compare with: choose another method", "method")
        return tuple(found)
