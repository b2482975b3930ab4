"""From a model's name to a network that answers: the one place that knows every name."""

from __future__ import annotations

from pathlib import Path

from sam_infer.architecture import build, with_weights
from sam_infer.backbone import Backbone
from sam_infer.errors import ModelError
from sam_infer.known_models import KNOWN_MODELS
from sam_infer.model_store import ModelStore
from sam_infer.sam_backbone import SamBackbone
from sam_infer.tiny_backbone import TinyBackbone

EMBEDDED = "tiny"
MODEL_NAMES = (EMBEDDED, *KNOWN_MODELS)


def load_backbone(name: str, home: Path | None = None) -> Backbone:
    """The network called `name`, its weights checked; `home` is the model store's, by default SAMLABEL_HOME."""
    if name == EMBEDDED:
        return TinyBackbone.embedded()
    if name.startswith("sam2"):
        raise ModelError(f"{name}: SAM 2 is not in this version; choose from {', '.join(MODEL_NAMES)}", "model")
    if name not in KNOWN_MODELS:
        raise ModelError(f"there is no model {name!r}; choose from {', '.join(MODEL_NAMES)}", "model")
    known = KNOWN_MODELS[name]
    stored, tensors = ModelStore(home).load(name)
    sam = with_weights(build(known.layout), tensors)
    return SamBackbone(name, sam, known.preprocessing, stored.fingerprint)
