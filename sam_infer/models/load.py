"""Model registry: from a model's name to a network with its weights; the one place that knows every name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from sam_infer.adapters.adapter import Adapter
from sam_infer.adapters.kinds.registry import for_tag, insert, inserted, merged, tags_of
from sam_infer.models.precision_check import agreed_precision
from sam_infer.networks.backbone import Backbone
from sam_infer.networks.layers import side_by_side
from sam_infer.networks.runtimes.precision import AUTO, FLOAT32
from sam_infer.networks.runtimes.runtime import OPENVINO, TORCH, Runtime
from sam_infer.networks.sam import SamBackbone
from sam_infer.networks.sam_vit import build, with_weights
from sam_infer.networks.tiny.backbone import ENCODER_PREFIXES, TinyBackbone, embedded_model
from sam_infer.networks.tiny.model import TinySam
from sam_infer.weights.available import EMBEDDED, require_known
from sam_infer.weights.catalogue import KNOWN_MODELS, SAM2
from sam_infer.weights.fingerprint import Fingerprint, Tensors
from sam_infer.weights.store import ENCODER_PREFIX, ModelStore

# Puts what an adapter inserts into a network.
Add = Callable[[torch.nn.Module], None]


@dataclass(frozen=True, eq=False)
class BaseNetwork:
    """A model's weights as they were published, and the networks that can be made of them."""

    name: str
    weights: Mapping[str, torch.Tensor]
    fingerprint: Fingerprint
    precision: str = FLOAT32
    runtime: str = TORCH
    folder: Path | None = None  # of the weights and of what was found out about them
    _moved: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)

    def backbone(self, adapter: Adapter | None = None, tag: str = "") -> Backbone:
        """A network that answers about images of a tag, with an adapter in it if there is one.

        A tag that the adapter was not taught leaves what it holds for all images.
        """
        if adapter is None:
            return self._around(self.weights, self.fingerprint)
        adapter.require_base(self.name, self.fingerprint.weights)
        tensors = for_tag(adapter.tensors, tag)
        weights = merged(self.weights, tensors)
        # what is inserted counts as weights of the part of the network that it changes
        fingerprint = _fingerprint(self.name, {**weights, **inserted(tensors)})
        return self._around(weights, fingerprint, partial(insert, tensors=tensors, tag=tag))

    def require_fit(self, adapter: Adapter) -> None:
        """Refuse an adapter that this network cannot answer with, about all images or those of a tag."""
        for tag in ("", *tags_of(adapter.tensors)):
            self.backbone(adapter, tag)

    def _around(self, weights: Tensors, fingerprint: Fingerprint, add: Add = lambda _: None) -> Backbone:
        """A network with these weights and with what an adapter adds to it."""
        if self.name == EMBEDDED:
            model = tiny_with(weights)
            add(model)
            self.share(model, side_by_side)
            return TinyBackbone(model, fingerprint)
        backbone = (
            self._sam2(weights, fingerprint, add)
            if self.name.startswith(SAM2)
            else self._sam(weights, fingerprint, add)
        )
        if self.precision == AUTO and self.folder is not None and not torch.cuda.is_available():
            return backbone(agreed_precision(backbone, self.fingerprint.weights, self.folder / "precision.json"))
        return backbone(self.precision)

    def _sam(self, weights: Tensors, fingerprint: Fingerprint, add: Add) -> Callable[[str], Backbone]:
        """What makes a SAM of a precision."""
        known = KNOWN_MODELS[self.name]
        network = with_weights(build(known.layout), weights)
        add(network)
        network.requires_grad_(False).eval()
        if torch.cuda.is_available():
            self.share(network, lambda weight: weight.to("cuda"))
        runtime = Runtime(self.runtime, None if self.folder is None else self.folder / OPENVINO)
        return lambda precision: SamBackbone(self.name, network, known.preprocessing, fingerprint, precision, runtime)

    def share(self, network: torch.nn.Module, moved: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Have a network's published weights lie elsewhere once, however many adapters and tags it is made for."""
        names = {value.data_ptr(): name for name, value in self.weights.items()}
        for parameter in network.parameters():
            name = names.get(parameter.data_ptr())
            if name is not None and parameter.shape == self.weights[name].shape:
                if name not in self._moved:
                    self._moved[name] = moved(self.weights[name])
                parameter.data = self._moved[name]

    def _sam2(self, weights: Tensors, fingerprint: Fingerprint, add: Add) -> Callable[[str], Backbone]:
        """The same of a SAM 2, whose package need not be installed."""
        from sam_infer.networks.sam2 import architecture
        from sam_infer.networks.sam2.backbone import Sam2Backbone

        network = architecture.with_weights(architecture.build(architecture.SHAPES[self.name]), weights)
        add(network)
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


def load_network(name: str, home: Path | None = None, precision: str = FLOAT32, runtime: str = TORCH) -> BaseNetwork:
    """The weights called `name`, checked; `home` is the model store's, by default SAMLABEL_HOME.

    `precision` is the encoder's, `runtime` computes it: both of networks from the model store, the embedded one is
    small and exact.
    """
    if name == EMBEDDED:
        weights = embedded_model().state_dict()
        return BaseNetwork(name, weights, _fingerprint(name, weights))
    require_known(name)
    store = ModelStore(home)
    stored, tensors = store.load(name)
    return BaseNetwork(name, tensors, stored.fingerprint, precision, runtime, store.weights_path(name).parent)


def weights_id_of(name: str, home: Path | None = None) -> str:
    """What identifies a model's weights, without reading large ones."""
    return ModelStore(home).record(name).weights_id if name in KNOWN_MODELS else load_network(name).fingerprint.weights


def load_backbone(name: str, home: Path | None = None, precision: str = FLOAT32, runtime: str = TORCH) -> Backbone:
    """The network called `name` without an adapter."""
    return load_network(name, home, precision, runtime).backbone()
