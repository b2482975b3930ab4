"""`LabelNamer`: whatever names labels on a picture without a prompt; an adapter brings one along, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from sam_infer.arrays import Float32Array
from sam_infer.networks.naming.semantic_head import SemanticHead
from sam_infer.networks.naming.unet import UNet
from sam_infer.weights.fingerprint import Tensors


class LabelNamer(Protocol):
    """Labels and their logits on a picture. Of an adapter's two candidates, the gate chose the one that is there."""

    labels: tuple[str, ...]  # in the order of the logits

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def sees_features(self) -> bool:
        """Whether it looks at the network's features; if not, nothing need be encoded for it."""
        ...

    def answer(self, picture: Tensor, features: Mapping[str, Tensor]) -> Float32Array:
        """One picture of `picture_of` and features of it, if it sees them, to logits (labels, l, l)."""
        ...


def namer_of(tensors: Tensors) -> LabelNamer | None:
    """What names labels in an adapter's tensors: the head that looks at the network, or the U-Net beside it."""
    return SemanticHead.of(tensors) or UNet.of(tensors)
