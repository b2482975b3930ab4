"""Hashes of what must not change when code moves: embeddings, masks, automatic labels, adapters and what they answer.

    .venv/bin/python benchmarks/identity.py --out after.json
    cd ../before && .venv/bin/python ../samlabel/benchmarks/identity.py --out before.json

Two checkouts on one machine give equal hashes, or something changed. The file runs in a checkout from before the rooms
too: it looks for each name in its old home where the new one is not there.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

# Name, its home, and its name and home before the rooms.
HOMES = {
    "load_network": ("sam_infer.models.load", "sam_infer.models"),
    "Predictor": ("sam_infer.slices.predictor", "sam_infer.predictor"),
    "EmbeddingCache": ("sam_infer.slices.embedding_cache", "sam_infer.embedding"),
    "Prompts": ("sam_infer.prompts.object_prompts", "sam_infer.prompts"),
    "segment_volume": ("sam_infer.propagation.segment", "sam_infer.propagation"),
    "demo_studies": ("sam_trainer.synthetic.patients", "sam_trainer.phantoms"),
    "read_sources": ("sam_trainer.labels.cases", "sam_trainer.studies"),
    "AcceptedLabel": ("sam_trainer.labels.round", "sam_trainer.label_round"),
    "TrainingRound": ("sam_trainer.training.run_round", "sam_trainer.learning", "Learning"),
    "TrainConfig": ("sam_trainer.config", "sam_trainer.train_config"),
    "GatePolicy": ("sam_trainer.judging.policy", "sam_trainer.train_config"),
    "AdapterStore": ("sam_infer.adapters.store", "sam_infer.adapter_store"),
    "LabelSearch": ("sam_infer.automatic.label_search", "sam_infer.survey", "Survey"),
    "propose_labels": ("sam_infer.automatic.modes", "sam_infer.auto_modes"),
    "selfprompt_labels": ("sam_infer.automatic.expected", "sam_infer.auto_modes"),
    "AcceptedCase": ("sam_infer.automatic.example", "sam_infer.accepted_case"),
    "read_image": ("sam_infer.imaging.image_file", "sam_infer.image_file"),
    "read_mask": ("sam_infer.imaging.image_file", "sam_infer.image_file"),
}

METHODS = ("lora", "decoder", "full")


def found(name: str) -> Any:
    """What a name means in the checkout that runs this."""
    new, old, *before = HOMES[name]
    try:
        return getattr(importlib.import_module(new), name)
    except (ImportError, AttributeError):
        return getattr(importlib.import_module(old), before[0] if before else name)


def digest(values: Any) -> str:
    """The beginning of a hash of an array's bytes, or of a file's."""
    data = values.read_bytes() if isinstance(values, Path) else np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(data).hexdigest()[:16]


def masks(predictor: Any, cases: list[Any]) -> dict[str, Any]:
    """One click on each of three labels of each case, and the last one followed in 3D."""
    hashes: dict[str, Any] = {}
    for case in cases:
        volume, truth = found("read_image")(case.image), found("read_mask")(case.label)
        for value in sorted(truth.values())[:3]:
            points = np.argwhere(truth.array == value)
            point = points[len(points) // 2]
            prompts = found("Prompts")(2, np.array([point]), np.array([1]))
            answer = predictor.predict(volume, prompts, int(point[2]))
            parts = (answer.pixels, answer.logits, answer.candidates.logits, answer.candidates.scores)
            hashes[f"click {case.name} {value}"] = [digest(part) for part in parts]
        if volume.geometry.shape[2] > 1:
            hashes[f"volume {case.name}"] = digest(found("segment_volume")(predictor, volume, prompts).mask.array)
    return hashes


def labels(predictor: Any, cases: list[Any]) -> dict[str, str]:
    """Automatic labels of the first case, without and with another one as example."""
    volume, names = found("read_image")(cases[0].image), tuple(cases[0].labels.values())
    example = found("AcceptedCase")(found("read_image")(cases[1].image), found("read_mask")(cases[1].label))
    proposed = found("propose_labels")(found("LabelSearch")(predictor, volume, 2, range(10, 16), names), 12)
    taught = found("selfprompt_labels")(found("LabelSearch")(predictor, volume, 2, range(10, 14), names), [example])
    return {"propose": digest(proposed.mask.array), "selfprompt": digest(taught.mask.array)}


def adapters(base: Any, cases: list[Any], home: Path) -> dict[str, Any]:
    """A short training by each method: the adapter's id, the ids of the network with it, and an answer."""
    hashes: dict[str, Any] = {}
    volume = found("read_image")(cases[0].image)
    middle = found("Prompts")(2, np.array([[n // 2 for n in volume.geometry.shape]]), np.array([1]))
    for method in METHODS:
        config = found("TrainConfig")(
            method=method, epochs=1, steps=2, images=1, objects=2, semantic_images=1, precision="float32"
        )
        policy = found("GatePolicy")(objects_per_case=1, clicks=5)
        accepted = [found("AcceptedLabel")(case) for case in cases]
        name = found("TrainingRound")(config, policy, home).run(accepted).adapter
        network = base.backbone(found("AdapterStore")("tiny", home).get(name))
        predictor = found("Predictor")(network, found("EmbeddingCache")())
        answer = predictor.predict(volume, middle, int(middle.points[0, 2]))
        hashes[f"adapter {method}"] = [name, network.weights_id, network.encoder_id, digest(answer.logits)]
    return hashes


def main() -> None:
    """Everything, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="samlabel-identity-") as name:
        home, studies, stored = Path(name) / "home", Path(name) / "studies", Path(name) / "embeddings"
        os.environ["SAMLABEL_HOME"] = str(home)
        found("demo_studies")(studies)
        cases = [case for source in found("read_sources")(studies) for case in source.cases]
        deep = [case for case in cases if found("read_image")(case.image).geometry.shape[2] > 1]
        base = found("load_network")("tiny")
        predictor = found("Predictor")(base.backbone(), found("EmbeddingCache")(folder=stored))
        hashes: dict[str, Any] = masks(predictor, cases)
        hashes["embeddings"] = {file.stem: digest(file) for file in sorted(stored.rglob("*.safetensors"))}
        hashes |= labels(predictor, deep)
        hashes |= adapters(base, cases, home)
    options.out.write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n")
    sys.stdout.write(f"{len(hashes)} lines, {len(hashes['embeddings'])} embeddings: {options.out}\n")


if __name__ == "__main__":
    main()
