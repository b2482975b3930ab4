"""Building what a server needs from its settings, and paying for the slow first times early."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from sam_infer.adapter_store import AdapterStore
from sam_infer.embedding import EmbeddingCache
from sam_infer.ensemble import Ensemble
from sam_infer.errors import AdapterError
from sam_infer.geometry import Geometry
from sam_infer.image_file import read_mask, write_mask
from sam_infer.model_store import default_home
from sam_infer.models import load_network
from sam_infer.predictor import NO_ADAPTER, Predictor
from sam_infer.promoted import Promoted, adapted
from sam_infer.serving import Serving
from sam_infer.volume import Mask
from samlabel.config import AppConfig

MIB = 1 << 20

# What the setting `adapter` may be besides an adapter's id.
LATEST = "latest"


def load_serving(config: AppConfig) -> Serving:
    """The network named by the settings, with its adapter and its caches."""
    base = load_network(config.model)
    cache = EmbeddingCache(config.memory_mb * MIB, default_home() / "embeddings", config.disk_mb * MIB)
    store, volume_bytes = AdapterStore(config.model), config.volumes_mb * MIB
    earlier = Ensemble(store, cache, base.backbone).besides
    if config.adapter == LATEST:
        promoted = Promoted(store, cache, base.backbone)
        return Serving(promoted.first(), volume_bytes, follow=promoted.follow, earlier=earlier)
    if config.adapter == NO_ADAPTER:
        return Serving(Predictor(base.backbone(), cache), volume_bytes, earlier=earlier)
    chosen = adapted(store, store.find(config.adapter), cache, base.backbone)
    return Serving(chosen, volume_bytes, earlier=earlier)


def serving_adapter(config: AppConfig) -> str:
    """The id of the adapter that answers the next click, without loading anything; `none` without one."""
    if config.adapter != LATEST:
        return config.adapter
    try:
        return AdapterStore(config.model).pointer().adapter or NO_ADAPTER
    except AdapterError:  # a damaged pointer: the base network answers
        return NO_ADAPTER


def warm_up() -> None:
    """Write and read a tiny file: ITK loads its readers at first use, which takes ten seconds."""
    with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
        path = Path(folder) / "warm.nii.gz"
        write_mask(Mask.empty(Geometry((2, 2, 2), np.eye(4))), path)
        read_mask(path)
