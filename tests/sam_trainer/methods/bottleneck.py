"""A kind of adapter that inserts modules, for tests: both what trains and what serves, as a room of each would hold it.

Down, GELU, up, on a skip after the attention of every block of an encoder. Up is zero at first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.adapters.kinds.kind import module_at, require
from sam_infer.errors import AdapterError
from sam_infer.weights.fingerprint import Tensors
from sam_trainer.config import TrainConfig

BOTTLENECK = "bottleneck"
HIDDEN = 8
PARTS = ("down.weight", "down.bias", "up.weight", "up.bias")


class Bottleneck(nn.Module):
    """A layer and a small correction of what it says."""

    def __init__(self, layer: nn.Module, width: int, hidden: int) -> None:
        super().__init__()
        self.layer = layer
        self.down, self.up = nn.Linear(width, hidden), nn.Linear(hidden, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's answer, corrected."""
        said = self.layer(x)
        return said + self.up(F.gelu(self.down(said)))


def wrap(network: nn.Module, place: str, width: int, hidden: int) -> Bottleneck:
    """Put a bottleneck around the layer at `place`."""
    parent, _, child = place.rpartition(".")
    wrapped = Bottleneck(module_at(network, place), width, hidden)
    setattr(module_at(network, parent), child, wrapped)
    return wrapped


class BottleneckKind:
    """What serves; see `Kind`. Names are PLACE/down.weight and so on."""

    prefix = BOTTLENECK
    inserts = True

    def check(self, tensors: Tensors) -> None:
        """Four tensors for every place, of one hidden width."""
        for place in _places(tensors):
            if any(f"{place}/{part}" not in tensors for part in PARTS):
                raise AdapterError(f"the adapter is not whole: a bottleneck at {place} lacks tensors")
            down, up = tensors[f"{place}/down.weight"], tensors[f"{place}/up.weight"]
            require(down.shape == up.shape[::-1], f"{BOTTLENECK}/{place}")

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def insert(self, network: nn.Module, tensors: Tensors) -> None:
        """A bottleneck at every place that is named."""
        for place in _places(tensors):
            hidden, width = tensors[f"{place}/down.weight"].shape
            wrapped = wrap(network, place, width, hidden)
            for part in PARTS:
                wrapped.get_parameter(part).data = tensors[f"{place}/{part}"]


class BottleneckTraining:
    """What trains; see `Adaptation`."""

    def __init__(self, network: nn.Module, config: TrainConfig) -> None:
        self._rate = config.rate
        blocks = network.get_submodule("image_encoder.blocks")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self._at = {
                f"image_encoder.blocks.{number}.attn": wrap(
                    network,
                    f"image_encoder.blocks.{number}.attn",
                    block.get_parameter("attn.proj.weight").shape[0],
                    HIDDEN,
                )
                for number, block in enumerate(blocks.children())
            }

    def parameters(self) -> list[nn.Parameter]:
        return [value for _, value in self._named()]

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        return [(self._rate, self.parameters())]

    def tensors(self) -> dict[str, Tensor]:
        return {name: value.detach().cpu().clone() for name, value in self._named()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, value in self._named():
                value.copy_(tensors[name])

    def _named(self) -> Iterator[tuple[str, nn.Parameter]]:
        for place, wrapped in self._at.items():
            for part in PARTS:
                yield f"{BOTTLENECK}/{place}/{part}", wrapped.get_parameter(part)


def _places(tensors: Tensors) -> list[str]:
    return sorted({name.rpartition("/")[0] for name in tensors})
