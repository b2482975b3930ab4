"""Weights export for shipping: half precision, safetensors, with a manifest that names what made them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from sam_infer.files import write_whole


def export_weights(model: nn.Module, path: Path) -> str:
    """Write the model's tensors in half precision; returns the file's sha256."""
    tensors = {name: tensor.detach().to(torch.float16).contiguous() for name, tensor in model.state_dict().items()}
    write_whole(path, lambda part: save_file(tensors, part))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_manifest(weights: Path, facts: dict[str, Any]) -> Path:
    """`facts` and the weights' sha256 beside the weights, as JSON."""
    path = weights.with_suffix(".json")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    path.write_text(json.dumps({"sha256": digest, **facts}, indent=1, sort_keys=True) + "\n")
    return path
