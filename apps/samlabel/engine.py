"""Builds the serving engine (network, adapter, caches) from the settings, and warms it up before the first click."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import AdapterError
from sam_infer.home import default_home
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.masks.encode import encode_nrrd
from sam_infer.models.by_label import LoadedModel, ModelsByLabel
from sam_infer.models.current import CurrentPredictor, adapted, unadapted
from sam_infer.models.ensemble import Ensemble
from sam_infer.models.load import BaseNetwork, load_network
from sam_infer.networks.runtimes.runtime import COMPILED
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.serving.server_state import Serving
from sam_infer.serving.threads import settle_threads
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import NO_ADAPTER
from sam_trainer.studies import Studies
from samlabel.config import LATEST, AppConfig

MIB = 1 << 20

# One slice of a usual CT, clicked on twice.
WARM_UP_SHAPE = (512, 512, 1)
WARM_UP_CLICKS = 2

# The file with the choice of models.
MODEL_TABLE = "models.json"


def model_table_file(studies: Studies) -> Path:
    """Where the choice of models for some studies is kept."""
    return default_home() / "scores" / studies.key / MODEL_TABLE


def load_serving(config: AppConfig, studies: Studies | None = None) -> Serving:
    """The network named by the settings, with its adapter and its caches; of several those that studies chose."""
    base = _network(config, config.model)
    cache = EmbeddingCache(config.memory_mb * MIB, default_home() / "embeddings", config.disk_mb * MIB)
    store, volume_bytes = AdapterStore(config.model), config.volumes_mb * MIB
    earlier = Ensemble(store, cache, base.backbone).besides
    if config.adapter == LATEST:
        promoted, besides = CurrentPredictor(store, cache, base.backbone), _besides(config, cache, studies)
        return Serving(promoted.first(), volume_bytes, promoted.follow, earlier, config.prefetch, besides)
    if config.adapter == NO_ADAPTER:
        predictor = unadapted(store, cache, base.backbone)
    else:
        predictor = adapted(store, store.find(config.adapter), cache, base.backbone)
    return Serving(predictor, volume_bytes, earlier=earlier, prefetch=config.prefetch)


def _network(config: AppConfig, model: str) -> BaseNetwork:
    return load_network(model, precision=config.precision, runtime=COMPILED if config.compile else config.runtime)


def _besides(config: AppConfig, cache: EmbeddingCache, studies: Studies | None) -> ModelsByLabel | None:
    """The models besides the main one; None where there are none, or no studies whose labels they could answer."""
    if studies is None or len(config.models) < 2:
        return None

    def load(model: str) -> LoadedModel:
        return LoadedModel.of(_network(config, model), cache)

    return ModelsByLabel(config.model, model_table_file(studies), load, config.models_mb * MIB)


def serving_adapter(config: AppConfig) -> str:
    """The id of the adapter that answers the next click, without loading anything; `none` without one."""
    if config.adapter != LATEST:
        return config.adapter
    try:
        return AdapterStore(config.model).pointer().adapter or NO_ADAPTER
    except AdapterError:  # a damaged pointer: the base network answers
        return NO_ADAPTER


def load_readers() -> None:
    """What the first label of a server's life would wait for: ITK, which takes two seconds and a quarter of a gigabyte.

    Ordinary NIfTI files and masks for viewers do without it.
    """
    with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
        path = Path(folder) / "warm.nii.gz"
        write_mask(Mask.empty(Geometry((2, 2, 2), np.eye(4))), path)
        read_mask(path)


def warm_up(serving: Serving) -> None:
    """What the first click of a server's life would pay for: lazy imports, threads of the network.

    The click runs where clicks run, on noise that no cache remembers.
    """
    noise = np.random.default_rng(0).integers(-200, 300, WARM_UP_SHAPE, np.int16)
    volume = Volume(np.asfortranarray(noise), Geometry(WARM_UP_SHAPE, np.eye(4)), "CT")
    middle = np.array([[WARM_UP_SHAPE[0] // 2, WARM_UP_SHAPE[1] // 2, 0]])
    prompts = Prompts(2, middle, np.ones(1, np.int64))
    predictor = serving.predictor

    def clicks() -> None:
        """On a new slice, and again on it."""
        forgetful = replace(predictor, cache=EmbeddingCache())
        for _ in range(WARM_UP_CLICKS):
            encode_nrrd(forgetful.predict(volume, prompts, 0).mask(volume), True)

    settle_threads(serving.queue, clicks)
