"""What a kind of adapter is: tensors under one prefix, and what they do to a network."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from sam_infer.errors import AdapterError
from sam_infer.weights.fingerprint import Tensors


class Kind(Protocol):
    """Tensors whose names in an adapter's file start with `prefix` and a slash; methods get names without these.

    A kind merges (other weights, the same network), inserts (modules around the same weights), both, or neither, where
    its tensors belong to something that stands beside the network. What it leaves out changes nothing.

    Two rules for kinds that insert keep the served network's identity right. A name goes on with the path of what it
    changes, as in `image_encoder.blocks.0.attn/down`: under the encoder's names, `encode` changes, and embeddings that
    were cached without the adapter are not used. And all that a kind needs to know (widths, scales, how many slices) is
    in its tensors and their shapes: equal tensors, equal answers.
    """

    @property
    def prefix(self) -> str:
        """The first part of its tensors' names."""
        ...

    @property
    def inserts(self) -> bool:
        """Whether `insert` changes the network: then its tensors are part of the network's identity."""
        ...

    def check(self, tensors: Tensors) -> None:
        """Refuse tensors that fit no network, with an AdapterError; called when an adapter is made or read."""
        ...

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """A network's weights with the tensors in them, the ones given left as they are; they must fit."""
        ...

    def insert(self, network: nn.Module, tensors: Tensors) -> None:
        """Add modules made of the tensors to a network whose weights are merged; they must fit."""
        ...


def require(fits: bool, name: str) -> None:
    """Refuse a tensor that does not fit the network."""
    if not fits:
        raise AdapterError(f"the adapter does not fit the network: {name}")


def module_at(network: nn.Module, path: str) -> nn.Module:
    """The part of a network that a name starts with, for kinds that insert."""
    try:
        return network.get_submodule(path)
    except AttributeError:
        raise AdapterError(f"the adapter does not fit the network: it has no {path}") from None
