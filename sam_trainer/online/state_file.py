"""A learner as one file: written beside and moved, so that a crash leaves the old one or the new one.

network/NAME            parameters of the U-Net
optimizer/NAME/PART     what AdamW remembers of each
pictures, logits, truths, curves
metadata `about`        JSON: the format's version, how much was learned, and where each label of the queue is from
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import structlog
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from sam_infer.files import write_whole
from sam_trainer.online.fusion import SHARES
from sam_trainer.online.learner import Correction, Learner

log = structlog.get_logger(__name__)

VERSION = 1


def write_learner(path: Path, learner: Learner) -> None:
    """Everything that decides what it will say and learn."""
    about = {
        "version": VERSION,
        "taught": learner.taught,
        "record": learner.record,
        "share": learner.share,
        "samples": [{"case": sample.case, "record": sample.record} for sample in learner.samples],
    }
    tensors = {**_network(learner), **_queue(learner)}
    write_whole(path, save(tensors, {"about": json.dumps(about)}), durable=True)


def read_about(path: Path) -> dict[str, Any] | None:
    """What a file says of its learner, without reading it: `taught`, `share`, `samples`; None as `read_learner`."""
    try:
        with safe_open(path, "pt") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {}).get("about", "{}"))
    except (SafetensorError, OSError, ValueError):
        return None
    return about if about.get("version") == VERSION else None


def read_learner(path: Path) -> Learner | None:
    """The learner of a file; None where there is none, or none that this version can read."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if about.get("version") != VERSION:
            raise ValueError(f"version {about.get('version')}")
        return _learner(about, tensors)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        log.warning("a learner cannot be read and begins anew", file=path.name, reason=str(error).splitlines()[0])
        return None


def _network(learner: Learner) -> dict[str, Tensor]:
    found = {f"network/{name}": value.detach().clone() for name, value in learner.network.state_dict().items()}
    for name, parameter in learner.network.named_parameters():
        state = learner.optimizer.state.get(parameter, {})
        found |= {f"optimizer/{name}/{part}": torch.as_tensor(value).clone() for part, value in state.items()}
    return found


def _queue(learner: Learner) -> dict[str, Tensor]:
    curves = np.array(learner.curves, np.float64).reshape(-1, len(SHARES))
    columns: dict[str, list[npt.NDArray[Any]]] = {
        "pictures": [sample.picture for sample in learner.samples],
        "logits": [sample.logits for sample in learner.samples],
        "truths": [sample.truth.astype(np.uint8) for sample in learner.samples],
    }
    stacked = {name: torch.from_numpy(np.stack(some)) for name, some in columns.items() if some}
    return {"curves": torch.from_numpy(curves), **stacked}


def _learner(about: dict[str, Any], tensors: dict[str, Tensor]) -> Learner:
    pictures, logits, truths = (_column(tensors, name) for name in ("pictures", "logits", "truths"))
    samples = [
        Correction(str(said["case"]), int(said["record"]), picture, found, truth.astype(bool))
        for said, picture, found, truth in zip(about["samples"], pictures, logits, truths, strict=True)
    ]
    learner = Learner(
        samples=samples,
        curves=list(tensors["curves"].numpy()),
        taught=int(about["taught"]),
        record=int(about["record"]),
    )
    learner.network.load_state_dict(
        {name.removeprefix("network/"): value for name, value in tensors.items() if name.startswith("network/")}
    )
    for name, parameter in learner.network.named_parameters():
        prefix = f"optimizer/{name}/"
        kept = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        if kept:
            learner.optimizer.state[parameter] = kept
    return learner


def _column(tensors: dict[str, Tensor], name: str) -> list[npt.NDArray[Any]]:
    return list(tensors[name].numpy()) if name in tensors else []
