import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import load_file

from sam_trainer.pretraining.export import export_weights, write_manifest


def test_weights_are_half_precision_and_the_manifest_knows_their_hash(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    weights = tmp_path / "tiny.safetensors"
    digest = export_weights(model, weights)
    stored = load_file(weights)
    assert {name: tensor.dtype for name, tensor in stored.items()} == {"weight": torch.float16, "bias": torch.float16}
    torch.testing.assert_close(stored["weight"].float(), model.weight.detach(), atol=1e-3, rtol=1e-3)
    manifest = json.loads(write_manifest(weights, {"seed": 3}).read_text())
    assert manifest == {"seed": 3, "sha256": digest}
    assert digest == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    assert export_weights(model, tmp_path / "a.safetensors") == export_weights(model, tmp_path / "b.safetensors")
