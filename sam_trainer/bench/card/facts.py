"""Facts of a model that is present: where it came from, its licence, hashes and sizes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from sam_infer.errors import ModelError
from sam_infer.models.load import load_network
from sam_infer.networks.tiny.backbone import ENCODER_PREFIXES
from sam_infer.weights.available import EMBEDDED
from sam_infer.weights.catalogue import KNOWN_MODELS
from sam_infer.weights.origin import OF_EMBEDDED, origin_of
from sam_infer.weights.store import ENCODER_PREFIX, ModelStore
from sam_infer.weights.tensor_layout import layout_of, parameter_count


@dataclass(frozen=True)
class ModelFacts:
    """What a card says of a model before anything is measured."""

    name: str
    title: str
    provenance: str
    licence: str
    weights: str  # what identifies them
    sha256: str  # of the stored file
    source: str  # the file it came from, and its hash
    parameters: int
    encoder_parameters: int
    file_bytes: int
    input_size: int

    def as_dict(self) -> dict[str, Any]:
        """For the card's JSON."""
        return asdict(self)

    def section(self) -> str:
        """For the card."""
        size = f"{self.parameters:,} parameters, {self.encoder_parameters:,} of them the encoder's"
        lines = {
            "model": f"`{self.name}`, {self.title}",
            "provenance": self.provenance,
            "licence": self.licence,
            "came from": self.source,
            "weights": f"`{self.weights}`",
            "SHA-256 of the file": f"`{self.sha256}`",
            "size": f"{size}; {self.file_bytes / 2**20:.1f} MiB; input {self.input_size} x {self.input_size}",
        }
        return "\n".join(["## The model", "", *(f"- {key}: {value}" for key, value in lines.items())])


def facts_of(name: str) -> ModelFacts:
    """The facts of a model whose weights are here; ModelError where they are not."""
    network = load_network(name)
    layout = layout_of(network.weights)
    input_size = network.backbone().input_size
    if name == EMBEDDED:
        shipped = files("sam_infer.weights.shipped") / f"{name}.safetensors"
        manifest, origin, title = embedded_manifest(), OF_EMBEDDED, "embedded default"
        sha256, source = str(manifest["sha256"]), "this package"
        encoder = sum(parameter_count(layout, prefix) for prefix in ENCODER_PREFIXES)
        size = len(shipped.read_bytes())
    else:
        store = ModelStore()
        stored = store.record(name)
        origin, title, sha256 = origin_of(stored), KNOWN_MODELS[name].title, stored.sha256
        source = f"{stored.source} ({origin.kind}, SHA-256 `{stored.source_sha256}`)"
        encoder = parameter_count(layout, ENCODER_PREFIX[0])
        size = store.weights_path(name).stat().st_size
    return ModelFacts(
        name=name,
        title=title,
        provenance=origin.provenance,
        licence=origin.licence,
        weights=network.fingerprint.weights,
        sha256=sha256,
        source=source,
        parameters=parameter_count(layout),
        encoder_parameters=encoder,
        file_bytes=size,
        input_size=input_size,
    )


def embedded_manifest() -> dict[str, Any]:
    """How the embedded model was trained."""
    file = files("sam_infer.weights.shipped") / f"{EMBEDDED}.json"
    if not file.is_file():
        raise ModelError("the embedded weights have no manifest: run `samlabel pretrain` first", "model")
    return dict(json.loads(file.read_text()))
