"""Trained weights put in the place of the ones that are embedded, with a manifest that tells the whole way there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from sam_infer.networks.tiny.backbone import WEIGHTS
from sam_infer.networks.tiny.model import TinySam
from sam_infer.weights.tensor_layout import compare, layout_of
from sam_trainer.errors import TrainingError
from sam_trainer.pretraining.export import export_weights, write_manifest
from sam_trainer.pretraining.run import LOG_FILE
from sam_trainer.reports.curves import read_log

# The package stays small enough for a slow line.
MOST_BYTES = 12_000_000


@dataclass(frozen=True)
class Stage:
    """The last step of the way, as the model card tells it."""

    what: str
    steps: int = 0
    images: int = 0
    side: str = ""


def stage_of(run: Path, what: str) -> Stage:
    """What the log of a run in a folder tells of it."""
    if not what:
        raise TrainingError("say in a few words what was new in the run, for the model card", "what")
    rows = read_log(run / LOG_FILE)
    if not rows:
        raise TrainingError(f"the log in {run} is empty: nothing was trained there", "weights")
    sides = sorted({int(row["side"]) for row in rows if float(row["side"]).is_integer()})
    return Stage(what, int(rows[-1]["step"]), int(rows[-1].get("images", 0)), ", ".join(map(str, sides)))


def ship(weights: Path, stage: Stage, share: float = 1.0, shipped: Path = WEIGHTS) -> str:
    """Embed `weights`, or their mean with the embedded ones by `share`; returns the SHA-256 of the new file.

    Part of the way back keeps what was learned before, at some cost of what is new.
    """
    if not 0 < share <= 1:
        raise TrainingError(f"the share of the new weights must lie above 0 and be at most 1, got {share}", "share")
    new = _tensors(weights)
    before = json.loads(shipped.with_suffix(".json").read_text())
    if share < 1:
        new = blended(_tensors(shipped), new, share)
    model = TinySam()
    model.load_state_dict(new)
    candidate = shipped.with_name(f"candidate-{shipped.name}")
    try:
        digest = export_weights(model, candidate)
        if candidate.stat().st_size > MOST_BYTES:
            raise TrainingError(f"the weights would have {candidate.stat().st_size} bytes, more than {MOST_BYTES}")
        candidate.chmod(0o644)  # safetensors writes for its owner only; an installed package has many readers
        candidate.replace(shipped)
    finally:
        candidate.unlink(missing_ok=True)
    write_manifest(shipped, {**_without_hash(before), "stages": [*before.get("stages", []), _row(before, stage)]})
    return digest


def blended(old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """`share` of the new weights and the rest of the old ones; counters are the new ones'."""
    return {
        name: torch.lerp(old[name], tensor, share) if tensor.is_floating_point() else tensor
        for name, tensor in new.items()
    }


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file, in full precision, when they are all finite and those of this architecture."""
    tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    found = compare(layout_of(tensors), layout_of(TinySam().state_dict()))
    if found:
        raise TrainingError(f"{path} does not hold weights of this version: {found}", "weights")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values()):
        raise TrainingError(f"{path} holds weights that are not finite", "weights")
    return tensors


def _row(before: Mapping[str, Any], stage: Stage) -> dict[str, Any]:
    number = len(before.get("stages", [])) + 1
    return {**asdict(stage), "from": f"weights of stage {number - 1}", "stage": number}


def _without_hash(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key != "sha256"}
