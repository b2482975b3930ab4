"""Model registry: from a model's name to a network with its weights; the one place that knows every name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.kinds.registry import for_tag, insert, inserted, merged
from sam_infer.models.precision_check import agreed_precision
from sam_infer.networks.backbone import Backbone
from sam_infer.networks.precision import AUTO, FLOAT32
from sam_infer.networks.sam import SamBackbone
from sam_infer.networks.sam_vit import build, with_weights
from sam_infer.networks.tiny.backbone import ENCODER_PREFIXES, TinyBackbone, embedded_model
from sam_infer.networks.tiny.model import TinySam
from sam_infer.weights.available import EMBEDDED, require_known
from sam_infer.weights.catalogue import KNOWN_MODELS, SAM2
from sam_infer.weights.fingerprint import Fingerprint, Tensors
from sam_infer.weights.store import ENCODER_PREFIX, ModelStore


@dataclass(frozen=True, eq=False)
class BaseNetwork:
    """A model's weights as they were published, and the networks that can be made of them."""

    name: str
    weights: Mapping[str, torch.Tensor]
    fingerprint: Fingerprint
    precision: str = FLOAT32
    compiled: bool = False
    folder: Path | None = None  # of the weights and of what was found out about them

    def backbone(self, adapter: Adapter | None = None, tag: str = "") -> Backbone:
        """A network that answers about images of a tag, with an adapter in it if there is one.

        A tag that the adapter was not taught leaves what it holds for all images.
        """
        if adapter is None:
            return self._around(self.weights, self.fingerprint, {})
        adapter.require_base(self.name, self.fingerprint.weights)
        tensors = for_tag(adapter.tensors, tag)
        weights = merged(self.weights, tensors)
        # what is inserted counts as weights of the part of the network that it changes
        fingerprint = _fingerprint(self.name, {**weights, **inserted(tensors)})
        return self._around(weights, fingerprint, tensors)

    def _around(self, weights: Tensors, fingerprint: Fingerprint, tensors: Tensors) -> Backbone:
        """A network with these weights and with what an adapter's tensors insert."""
        if self.name == EMBEDDED:
            model = tiny_with(weights)
            insert(model, tensors)
            return TinyBackbone(model, fingerprint)
        backbone = (
            self._sam2(weights, fingerprint, tensors)
            if self.name.startswith(SAM2)
            else self._sam(weights, fingerprint, tensors)
        )
        if self.precision == AUTO and self.folder is not None and not torch.cuda.is_available():
            return backbone(agreed_precision(backbone, self.fingerprint.weights, self.folder / "precision.json"))
        return backbone(self.precision)

    def _sam(self, weights: Tensors, fingerprint: Fingerprint, tensors: Tensors) -> Callable[[str], Backbone]:
        """What makes a SAM of a precision."""
        known = KNOWN_MODELS[self.name]
        network = with_weights(build(known.layout), weights)
        insert(network, tensors)
        network.requires_grad_(False).eval()
        return lambda precision: SamBackbone(
            self.name, network, known.preprocessing, fingerprint, precision, self.compiled
        )

    def _sam2(self, weights: Tensors, fingerprint: Fingerprint, tensors: Tensors) -> Callable[[str], Backbone]:
        """The same of a SAM 2, whose package need not be installed."""
        from sam_infer.networks.sam2 import architecture
        from sam_infer.networks.sam2.backbone import Sam2Backbone

        network = architecture.with_weights(architecture.build(architecture.SHAPES[self.name]), weights)
        insert(network, tensors)
        return lambda precision: Sam2Backbone(self.name, network.requires_grad_(False), fingerprint, precision)


def _fingerprint(name: str, weights: Tensors) -> Fingerprint:
    """What identifies a network of the architecture `name`."""
    if name == EMBEDDED:
        return Fingerprint.of(weights, ENCODER_PREFIXES, EMBEDDED)
    return Fingerprint.of(weights, ENCODER_PREFIX, KNOWN_MODELS[name].preprocessing)


def tiny_with(weights: Mapping[str, torch.Tensor]) -> TinySam:
    """The embedded model's architecture around other weights of its layout."""
    with torch.random.fork_rng(devices=[]):  # values drawn only to be replaced: the `meta` device imports sympy
        model = TinySam()
    model.load_state_dict(dict(weights), assign=True)
    return model


def load_network(name: str, home: Path | None = None, precision: str = FLOAT32, compiled: bool = False) -> BaseNetwork:
    """The weights called `name`, checked; `home` is the model store's, by default SAMLABEL_HOME.

    `precision` is the encoder's, `compiled` has torch compile it first: both of networks from the model store,
    the embedded one is small and exact.
    """
    if name == EMBEDDED:
        weights = embedded_model().state_dict()
        return BaseNetwork(name, weights, _fingerprint(name, weights))
    require_known(name)
    store = ModelStore(home)
    stored, tensors = store.load(name)
    return BaseNetwork(name, tensors, stored.fingerprint, precision, compiled, store.weights_path(name).parent)


def weights_id_of(name: str, home: Path | None = None) -> str:
    """What identifies a model's weights, without reading large ones."""
    return ModelStore(home).record(name).weights_id if name in KNOWN_MODELS else load_network(name).fingerprint.weights


def load_backbone(name: str, home: Path | None = None, precision: str = FLOAT32) -> Backbone:
    """The network called `name` without an adapter."""
    return load_network(name, home, precision).backbone()
