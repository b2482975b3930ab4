"""The `Adaptation` protocol of fine-tuning methods; a new one gets a line in `ADAPTATIONS` and a rate.

Serving is the fourth part of the contract. `sam_infer.adapters.kinds` knows every kind of tensor that `tensors` may
give, and answers with them what training saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from sam_infer.adapters.kinds.kind import Told
from sam_infer.adapters.kinds.registry import INSERTING
from sam_infer.adapters.kinds.value import value_name
from sam_trainer.config import BESIDE_DECODER, RATES, TrainConfig
from sam_trainer.methods.inserted import Inserted, checkpoint_blocks
from sam_trainer.methods.lora import Lora, decoder_places, encoder_places

DECODER = "mask_decoder."


class Adaptation(Protocol):
    """A way to adapt, inserted into a network whose other weights are frozen. At first it changes nothing."""

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        ...

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The same, in groups with their peak learning rates."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """What is kept: copies on the CPU, by their names in an adapter's file."""
        ...

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        ...


class Replacement:
    """Parameters of the network itself train, and take the place of the old ones."""

    def __init__(self, network: nn.Module, prefix: str, rate: float) -> None:
        self._rate = rate
        self._named = {name: value for name, value in network.named_parameters() if name.startswith(prefix)}
        for value in self._named.values():
            value.requires_grad_(True)

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return list(self._named.values())

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The same, in groups with their peak learning rates."""
        return [(self._rate, self.parameters())]

    def tensors(self) -> dict[str, Tensor]:
        """What is kept, by its name in an adapter's file."""
        return {value_name(name): value.detach().cpu().clone() for name, value in self._named.items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        with torch.no_grad():
            for name, value in self._named.items():
                value.copy_(tensors[value_name(name)])


class Together:
    """Several adaptations of one network as one."""

    def __init__(self, *parts: Adaptation) -> None:
        self._parts = parts

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return [parameter for part in self._parts for parameter in part.parameters()]

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The same, in groups with their peak learning rates."""
        return [group for part in self._parts for group in part.rates()]

    def tensors(self) -> dict[str, Tensor]:
        """What is kept, by its name in an adapter's file."""
        return {name: tensor for part in self._parts for name, tensor in part.tensors().items()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        for part in self._parts:
            part.load(tensors)


def adapt(network: nn.Module, config: TrainConfig, told: Told | None = None) -> Adaptation:
    """Freeze a network and insert what the method trains; `told` will say what is known of the images it is shown."""
    network.requires_grad_(False)
    adaptation = ADAPTATIONS[config.method](network, config, told or Told())
    if config.checkpointing:
        checkpoint_blocks(network)
    return adaptation


def _lora(network: nn.Module, config: TrainConfig, _: Told) -> Adaptation:
    places = encoder_places(network, config.targets)
    return Together(Lora(places, config.rank, config.rate, config.seed), *_beside(network, config))


def _lora_decoder(network: nn.Module, config: TrainConfig, _: Told) -> Adaptation:
    places = encoder_places(network, config.targets) + decoder_places(network, config.targets)
    return Lora(places, config.rank, config.rate, config.seed)


def _decoder(network: nn.Module, config: TrainConfig, _: Told) -> Adaptation:
    return Replacement(network, DECODER, config.rate)


def _full(network: nn.Module, config: TrainConfig, _: Told) -> Adaptation:
    return Replacement(network, "", config.rate)


def _inserted(network: nn.Module, config: TrainConfig, told: Told) -> Adaptation:
    beside = _beside(network, config)  # first: what is inserted may stand between a parameter and its name
    return Together(Inserted(network, INSERTING[config.method], config, told), *beside)


def _beside(network: nn.Module, config: TrainConfig) -> list[Adaptation]:
    """The mask decoder, where it trains too."""
    wanted = config.with_decoder and config.method in BESIDE_DECODER
    return [Replacement(network, DECODER, RATES["decoder"])] if wanted else []


# By the names that `TrainConfig` knows.
ADAPTATIONS: Mapping[str, Callable[[nn.Module, TrainConfig, Told], Adaptation]] = {
    "lora": _lora,
    "decoder": _decoder,
    "full": _full,
    "lora_decoder": _lora_decoder,
    **dict.fromkeys(INSERTING, _inserted),
}
