"""The predictor of the promoted adapter: hot reload when the pointer in the adapter store moves."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.kinds.registry import facet_of, tags_of
from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import AdapterError
from sam_infer.networks.backbone import Backbone
from sam_infer.networks.naming.label_namer import namer_of
from sam_infer.slices.by_tag import ByTag
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import NO_ADAPTER, Predictor
from sam_infer.weights.prompting import Ranker

log = structlog.get_logger(__name__)


class Build(Protocol):
    """Makes a network; see `BaseNetwork.backbone`."""

    def __call__(self, adapter: Adapter | None = None, /, tag: str = "") -> Backbone:
        """A network with an adapter in it, for images of a tag."""
        ...


def ranker_file(store: AdapterStore, adapter: str) -> Path:
    """Where the ranker of first clicks lies that was calibrated for an adapter, or for the network without one."""
    return store.folder / f"ranker-{adapter}.json"


def adapted(store: AdapterStore, name: str, cache: EmbeddingCache, build: Build) -> Predictor:
    """The predictor of one stored adapter."""
    adapter = store.get(name)
    known = with_adapter(adapter, cache, build)
    why, ranker = adapter.provenance.named_why, Ranker.read(ranker_file(store, name))
    return replace(known, adapter=name, named_why=why, ranker=ranker)


def with_adapter(adapter: Adapter, cache: EmbeddingCache, build: Build) -> Predictor:
    """The predictor of an adapter, wherever it is kept; `about` makes it that of an image's tags."""
    shared, tensors = build(adapter), adapter.tensors
    taught = tuple(tags_of(tensors))
    parts = ByTag(facet_of(tensors), taught, shared, partial(build, adapter)) if taught else None
    return Predictor(shared, cache, semantic=namer_of(tensors), by_tag=parts)


def unadapted(store: AdapterStore, cache: EmbeddingCache, build: Build) -> Predictor:
    """The predictor of the network as it was published."""
    return Predictor(build(None), cache, ranker=Ranker.read(ranker_file(store, NO_ADAPTER)))


class CurrentPredictor:
    """Follows the pointer of a store: one `stat` per request, merged weights once per promotion.

    Threading: whoever first sees that the pointer moved builds the new predictor; the others go on with the old one
    meanwhile. An adapter that cannot be used must not stop readers: the base network answers, and says why.
    """

    def __init__(self, store: AdapterStore, cache: EmbeddingCache, build: Build) -> None:
        self._store = store
        self._cache = cache
        self._build = build
        self._building = threading.Lock()
        self._stamp: tuple[int, int] | None = store.stamp()

    def first(self) -> Predictor:
        """The predictor at start."""
        self._stamp = self._store.stamp()
        return self._current()

    def follow(self, predictor: Predictor) -> Predictor:
        """The predictor for the next request, given the one of the last."""
        if self._store.stamp() == self._stamp or not self._building.acquire(blocking=False):
            return predictor
        try:
            stamp = self._store.stamp()
            current = self._current()
            self._stamp = stamp
            return current
        finally:
            self._building.release()

    def _current(self) -> Predictor:
        try:
            name = self._store.pointer().adapter
            if name is None:
                return unadapted(self._store, self._cache, self._build)
            predictor = adapted(self._store, name, self._cache, self._build)
        except AdapterError as error:
            log.error("the promoted adapter cannot be used; the network answers without it", reason=str(error))
            base = unadapted(self._store, self._cache, self._build)
            return replace(base, note=f"the promoted adapter is not used: {error}")
        log.info("adapter serves", adapter=name)
        return predictor
