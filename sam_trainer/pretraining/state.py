"""Checkpoint of a pre-training run on disk: everything that the next step depends on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sam_infer.files import write_whole
from sam_trainer.errors import TrainingError

STATE_FILE, COUNTERS_FILE = "state.safetensors", "state.json"

# The network that a run trains.
Network = TypeVar("Network", bound=nn.Module)


@dataclass
class Counters:
    """Where a run stands."""

    step: int = 0
    seconds: float = 0.0
    skipped: int = 0  # steps whose gradient was not finite
    images: int = 0  # that were looked at, by all processes


@dataclass
class TrainState(Generic[Network]):
    """Model, its moving average, optimiser and counters. Batches and clicks are functions of seed and step."""

    model: Network
    average: Network
    optimizer: torch.optim.AdamW
    counters: Counters

    def save(self, folder: Path) -> None:
        """Write the whole state; a crash leaves the previous one."""
        counters = json.dumps(asdict(self.counters))
        tensors = self._tensors()
        write_whole(folder / STATE_FILE, lambda part: save_file(tensors, part, metadata={"counters": counters}))
        (folder / COUNTERS_FILE).write_text(counters)

    def load(self, folder: Path) -> None:
        """Go back to what `save` wrote."""
        path = folder / STATE_FILE
        if not path.exists():
            raise TrainingError(f"no run to resume in {folder}: {STATE_FILE} is missing")
        stored = load_file(path)
        for name, tensor in self._tensors().items():
            if name not in stored or stored[name].shape != tensor.shape:
                raise TrainingError(f"{path} does not fit this model: {name}")
            tensor.copy_(stored[name])
        self.counters = Counters(**json.loads((folder / COUNTERS_FILE).read_text()))

    def _tensors(self) -> dict[str, Tensor]:
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for name, parameter in self.model.named_parameters():
            moments = self.optimizer.state[parameter]
            if not moments:
                moments["step"] = torch.zeros(())
                moments["exp_avg"] = torch.zeros_like(parameter)
                moments["exp_avg_sq"] = torch.zeros_like(parameter)
            tensors |= {f"adam.{name}.{k}": moments[k] for k in ("step", "exp_avg", "exp_avg_sq")}
        return {k: v.detach() for k, v in tensors.items()}


def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the average towards the model; early on faster, so that it forgets the start."""
    decay = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for kept, new in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)  # counters of normalisation layers
