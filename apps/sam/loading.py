"""Building what a server needs from its settings, and paying for the slow first times early."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from sam_infer.embedding import EmbeddingCache
from sam_infer.errors import ModelError
from sam_infer.geometry import Geometry
from sam_infer.image_file import read_mask, write_mask
from sam_infer.model_store import default_home
from sam_infer.models import load_backbone
from sam_infer.predictor import Predictor
from sam_infer.serving import Serving
from sam_infer.volume import Mask
from samlabel.config import AppConfig

MIB = 1 << 20

# No adapter is trained yet: these two mean the network as it is.
WITHOUT_ADAPTER = ("latest", "none")


def load_serving(config: AppConfig) -> Serving:
    """The network named by the settings, with its caches."""
    if config.adapter not in WITHOUT_ADAPTER:
        raise ModelError(f"there is no adapter {config.adapter!r}; use --adapter none", "adapter")
    cache = EmbeddingCache(config.memory_mb * MIB, default_home() / "embeddings", config.disk_mb * MIB)
    return Serving(Predictor(load_backbone(config.model), cache), config.volumes_mb * MIB)


def warm_up() -> None:
    """Write and read a tiny file: ITK loads its readers at first use, which takes ten seconds."""
    with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
        path = Path(folder) / "warm.nii.gz"
        write_mask(Mask.empty(Geometry((2, 2, 2), np.eye(4))), path)
        read_mask(path)
