"""Checkpoint of a training on accepted labels: everything that its next epoch depends on, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sam_infer.files import write_whole
from sam_trainer.errors import TrainingError
from sam_trainer.methods.method import Adaptation

STATE_FILE = "state.safetensors"

_NOW, _BEST, _ADAM = "now|", "best|", "adam|"


@dataclass
class Standing:
    """Where a training stands."""

    epoch: int = 0  # complete ones
    best: float = -1.0  # validation Dice
    best_epoch: int = 0
    waited: int = 0  # epochs since
    skipped: int = 0  # steps whose gradient was not finite
    loss: float = 0.0  # mean of the last epoch
    rival_best: float = -1.0  # validation Dice of the U-Net by itself


@dataclass
class FitState:
    """What trains, its optimiser, the best version so far, and where the training stands."""

    adaptation: Adaptation
    optimizer: torch.optim.AdamW
    standing: Standing
    best: dict[str, Tensor]

    def save(self, folder: Path) -> None:
        """Write the whole state; a crash leaves the previous one."""
        tensors = {f"{_NOW}{name}": value for name, value in self.adaptation.tensors().items()}
        tensors |= {f"{_BEST}{name}": value for name, value in self.best.items()}
        tensors |= {f"{_ADAM}{name}": value for name, value in self._moments().items()}
        standing = {"standing": json.dumps(asdict(self.standing))}
        try:
            write_whole(folder / STATE_FILE, lambda part: save_file(tensors, part, metadata=standing))
        except (OSError, SafetensorError) as error:
            raise TrainingError(f"the training's state could not be written ({error}): free some space") from error

    def load(self, folder: Path) -> None:
        """Go back to what `save` wrote."""
        tensors, facts = _read(folder / STATE_FILE)
        try:
            self.adaptation.load(_part(tensors, _NOW))
            self.standing = Standing(**facts)
            self.best = _part(tensors, _BEST)
            moments = _part(tensors, _ADAM)
            for number, parameter in enumerate(self.adaptation.parameters()):
                names = {key: f"{number}.{key}" for key in ("step", "exp_avg", "exp_avg_sq")}
                if names["step"] in moments:
                    self.optimizer.state[parameter] = {
                        key: moments[name].to(parameter.device if key != "step" else "cpu")
                        for key, name in names.items()
                    }
        except (KeyError, TypeError, RuntimeError) as error:
            raise TrainingError("the stored training is one with other settings: start a new one", "resume") from error

    def _moments(self) -> Mapping[str, Tensor]:
        found = {}
        for number, parameter in enumerate(self.adaptation.parameters()):
            for key, value in self.optimizer.state.get(parameter, {}).items():
                found[f"{number}.{key}"] = value.detach().cpu().clone()
        return found


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}
            return tensors, json.loads((file.metadata() or {})["standing"])
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise TrainingError(f"there is no whole training to resume ({error}): start a new one", "resume") from error


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
