"""Networks that are cheap to train and to serve, of every architecture that an adapter may go into."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from sam_infer.adapters.kinds.registry import for_tag, insert, merged
from sam_infer.models.load import tiny_with
from sam_infer.networks.backbone import Backbone, Hints
from sam_infer.networks.sam import PREPROCESSING, SamBackbone
from sam_infer.networks.sam_vit import VitShape, build_mobile, build_vit, with_weights
from sam_infer.networks.tiny.backbone import TinyBackbone, embedded_model
from sam_trainer.methods.trainable import Trainable, TrainableSam, TrainableTiny
from tests.sam_infer.conftest import seeded

SIDE = 128
SMALL = VitShape(32, 2, 2, (1,), SIDE)
CPU = torch.device("cpu")
CLICK = Hints(np.array([[60.0, 70.0]], np.float32), np.array([1]))


def small_weights() -> dict[str, dict[str, Tensor]]:
    """Of the real `tiny`, of a small ViT and of a TinyViT with a small input."""
    small = {"vit": build_vit(SMALL), "mobile": build_mobile(SIDE)}
    return {
        "tiny": dict(embedded_model().state_dict()),
        **{name: seeded(network.state_dict()) for name, network in small.items()},
    }


Weights = Mapping[str, Mapping[str, Tensor]]


def trainable_of(weights: Weights, name: str) -> Trainable:
    copy = {key: value.clone() for key, value in weights[name].items()}
    if name == "tiny":
        return TrainableTiny(tiny_with(copy), CPU)
    network = with_weights(build_vit(SMALL) if name == "vit" else build_mobile(SIDE), copy)
    return TrainableSam(network, PREPROCESSING["sam"], CPU)


def backbone_of(network: Trainable) -> Backbone:
    if isinstance(network, TrainableTiny):
        return TinyBackbone(network.network)
    return SamBackbone("small", network.network)


def served(weights: Weights, name: str, tensors: Mapping[str, Tensor], tag: str = "") -> Backbone:
    """As a server builds it."""
    network = trainable_of({name: merged(weights[name], for_tag(tensors, tag))}, name)
    insert(network.network, tensors, tag)
    network.network.requires_grad_(False).eval()
    return backbone_of(network)


def stack(slices: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (slices, SIDE, SIDE, 3), dtype=np.uint8)


def backbones_agree(one: Backbone, other: Backbone, slices: int, tolerance: float = 0.0) -> bool:
    features, others = one.encode(stack(slices)), other.encode(stack(slices))
    for name in features:
        if not torch.allclose(features[name].float(), others[name].float(), atol=tolerance, rtol=tolerance):
            return False
    logits, theirs = one.decode(features, CLICK).logits, other.decode(features, CLICK).logits
    return np.allclose(logits, theirs, atol=100 * tolerance, rtol=100 * tolerance)
