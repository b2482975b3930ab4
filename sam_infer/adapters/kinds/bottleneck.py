"""Kind `bottleneck`: small corrections of what attention and MLP say (Med-SA, arXiv 2304.12620).

    bottleneck/PLACE/down.weight   (hidden, width)      bottleneck/PLACE/up.weight   (width, hidden)
    bottleneck/PLACE/down.bias     (hidden,)            bottleneck/PLACE/up.bias     (width,)

At every encoder block's `attn` the correction `up(gelu(down(a)))` is added to the attention's answer a; at its `mlp`
half of it, of what the MLP reads, is added to what the MLP says. In a two-way block of the decoder, where a training
asks for it, the tokens (`norm2`) and the image (`norm4`) are corrected after the attention that changed them, and the
MLP as in the encoder.

Built after the paper, not after its release: the release draws `up` at random, so the network is another one before
its first step, and leaves the decoder out. `up` begins with zeros here. Tokens and image have bottlenecks of their
own, where finetune-SAM (arXiv 2404.09957) lets them share one. It cannot be merged: a GELU stands between the factors.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.adapters.kinds.blocks import decoder_layers, encoder_blocks, require_width
from sam_infer.adapters.kinds.kind import (
    Form,
    Told,
    by_place,
    drawn,
    filled,
    module_at,
    named,
    put_at,
    require,
    require_whole,
)
from sam_infer.weights.fingerprint import Tensors

BOTTLENECK = "bottleneck"
PARTS = ("down.weight", "down.bias", "up.weight", "up.bias")

# Width of the network over width of the bottleneck; weight of a correction beside an MLP.
NARROWER, BESIDE = 4, 0.5


class Bottleneck(nn.Module):
    """Down, GELU, up: the correction alone."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, hidden, device="meta")
        self.up = nn.Linear(hidden, width, device="meta")

    @classmethod
    def of(cls, tensors: Tensors, place: str) -> Bottleneck:
        """The one that the tensors are."""
        hidden, width = tensors["down.weight"].shape
        return filled(cls(width, hidden), tensors, place)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same shape."""
        said: Tensor = self.up(F.gelu(self.down(x)))
        return said


class After(nn.Module):
    """A layer, and a correction of what it says."""

    def __init__(self, layer: nn.Module, adapter: nn.Module) -> None:
        super().__init__()
        self.layer, self.adapter = layer, adapter

    def forward(self, x: Tensor) -> Tensor:
        """The layer's answer, corrected."""
        said: Tensor = self.layer(x)
        return said + self.adapter(said)


class Beside(nn.Module):
    """A layer, and a correction by what it reads."""

    def __init__(self, layer: nn.Module, adapter: nn.Module) -> None:
        super().__init__()
        self.layer, self.adapter = layer, adapter

    def forward(self, x: Tensor) -> Tensor:
        """The layer's answer, corrected."""
        said: Tensor = self.layer(x)
        return said + BESIDE * self.adapter(x)


class BottleneckKind:
    """See `Inserting`."""

    prefix = BOTTLENECK
    inserts = True

    def check(self, tensors: Tensors) -> None:
        """Four tensors for every place, of one hidden width."""
        for place, part in by_place(tensors).items():
            check_bottleneck(part, f"{BOTTLENECK}/{place}")

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def begin(self, network: nn.Module, form: Form) -> dict[str, Tensor]:
        """Two for every encoder block; three more for every block of the decoder, if the form says so."""
        tensors: dict[str, Tensor] = {}
        for place in encoder_blocks(network, BOTTLENECK):
            for layer in ("attn", "mlp"):
                tensors |= fresh_bottleneck(f"{place.path}.{layer}", place.qkv, form.width)
        for place in decoder_layers(network) if form.decoder else []:
            for layer in ("norm2", "mlp", "norm4"):
                weight = place.block.get_parameter("norm2.weight")
                tensors |= fresh_bottleneck(f"{place.path}.{layer}", weight[None], form.width)
        return tensors

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """A bottleneck at every place that is named."""
        trains: dict[str, nn.Parameter] = {}
        for place, part in by_place(tensors).items():
            adapter = Bottleneck.of(part, place)
            require_width(network, place, adapter.down.in_features)
            how = Beside if place.endswith(".mlp") else After
            put_at(network, place, how(module_at(network, place), adapter))
            trains |= named(adapter, place)
        return trains


def fresh_bottleneck(place: str, like: Tensor, hidden: int = 0) -> dict[str, Tensor]:
    """The tensors of one that changes nothing yet, for what reads the last axis of `like`."""
    width = like.shape[-1]
    hidden = hidden or width // NARROWER
    return {
        f"{place}/down.weight": drawn(like, hidden, width, fan_in=width),
        f"{place}/down.bias": drawn(like, hidden, fan_in=width),
        f"{place}/up.weight": drawn(like, width, hidden),
        f"{place}/up.bias": drawn(like, width),
    }


def check_bottleneck(part: Tensors, place: str) -> None:
    """Refuse what is no bottleneck."""
    require_whole(part.keys() == set(PARTS), f"a bottleneck at {place}")
    down, up = part["down.weight"], part["up.weight"]
    require(down.ndim == 2 and down.shape == up.shape[::-1], place)
    require(part["down.bias"].shape == down.shape[:1] and part["up.bias"].shape == up.shape[:1], place)
