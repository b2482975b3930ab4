"""Kinds that insert modules, under training: what trains is what the server will insert, made by the same code."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sam_infer.adapters.kinds.blocks import TRANSFORMER
from sam_infer.adapters.kinds.kind import TAG, Form, Inserting, Told
from sam_trainer.config import TrainConfig
from sam_trainer.errors import TrainingError

# Vectors of one tag that a decoder adds to its own tokens, and at which rate they learn at least: they must reach the
# tokens' size. After 48 steps on its cohort `domain_bank` had 0.726 with 0.01, 0.727 with 0.03, 0.746 with 0.3 and
# 0.725 with 1 (12 cases, one seed).
TO_TOKENS = f"{TRANSFORMER}/{TAG}"
TOKEN_RATES = {"domain_bank": 0.2, "cine": 0.03}


class Inserted:
    """Modules of one kind in a network; see `Adaptation`. Of the images that it is shown `told` says what is known."""

    def __init__(self, network: nn.Module, kind: Inserting, config: TrainConfig, told: Told) -> None:
        self._rate = config.rate
        self._token_rate = max(config.rate, TOKEN_RATES.get(kind.prefix, 0.0))
        self._prefix = kind.prefix
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            tensors = kind.begin(network, form_of(config))
        kind.check(tensors)
        self._trains = dict(kind.insert(network, tensors, told))
        self._fixed = {name: tensor for name, tensor in tensors.items() if name not in self._trains}
        for parameter in self._trains.values():
            parameter.requires_grad_(True)

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return list(self._trains.values())

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The same, in groups with their peak learning rates."""
        added = [value for name, value in self._trains.items() if name.startswith(TO_TOKENS)]
        rest = [value for name, value in self._trains.items() if not name.startswith(TO_TOKENS)]
        return [(rate, group) for rate, group in ((self._rate, rest), (self._token_rate, added)) if group]

    def tensors(self) -> dict[str, Tensor]:
        """What is kept, by its name in an adapter's file."""
        kept = {**self._fixed, **self._trains}
        return {f"{self._prefix}/{name}": value.detach().cpu().clone() for name, value in kept.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        with torch.no_grad():
            for name, parameter in self._trains.items():
                parameter.copy_(tensors[f"{self._prefix}/{name}"])


def form_of(config: TrainConfig) -> Form:
    """What a training chose of a kind."""
    return Form(config.rank, config.width, config.depth, config.decoder_adapters, config.tags)


def checkpoint_blocks(network: nn.Module) -> None:
    """Have an encoder's blocks keep their input only, and compute the rest again when gradients are asked for.

    The same numbers for about a third more time, in a fraction of the memory: a stack of slices fits then.
    """
    blocks = getattr(network.get_submodule("image_encoder"), "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        raise TrainingError("checkpointing needs an encoder of attention blocks", "checkpointing")
    for number, block in enumerate(blocks):
        blocks[number] = Again(block)


class Again(nn.Module):
    """A block that is computed again for its gradients."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.window_size = int(getattr(block, "window_size", 0))

    def forward(self, x: Tensor) -> Tensor:
        """What the block says."""
        said: Tensor = checkpoint(self.block, x, use_reentrant=False) if torch.is_grad_enabled() else self.block(x)
        return said
