"""Kinds that insert modules, under training: what trains is what the server will insert, made by the same code."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sam_infer.adapters.kinds.kind import Form, Inserting, Told


class Inserted:
    """Modules of one kind in a network; see `Adaptation`. Which images it is shown, `told` says."""

    def __init__(self, network: nn.Module, kind: Inserting, form: Form, rate: float, seed: int) -> None:
        self._rate = rate
        self._prefix = kind.prefix
        self.told = Told()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tensors = kind.begin(network, form)
        kind.check(tensors)
        self._trains = dict(kind.insert(network, tensors, self.told))
        self._fixed = {name: tensor for name, tensor in tensors.items() if name not in self._trains}
        for parameter in self._trains.values():
            parameter.requires_grad_(True)

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return list(self._trains.values())

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The same, in groups with their peak learning rates."""
        return [(self._rate, self.parameters())]

    def tensors(self) -> dict[str, Tensor]:
        """What is kept, by its name in an adapter's file."""
        kept = {**self._fixed, **self._trains}
        return {f"{self._prefix}/{name}": value.detach().cpu().clone() for name, value in kept.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        with torch.no_grad():
            for name, parameter in self._trains.items():
                parameter.copy_(tensors[f"{self._prefix}/{name}"])
