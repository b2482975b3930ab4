"""LoRA: low-rank changes of attention, MLP and convolutions, trained beside frozen weights and merged for serving.

q, k and v come from one fused projection. Each that is adapted has factors of its own, so what is not adapted keeps
every bit: a low-rank change of the whole projection would move k too (arXiv 2304.13785 adapts q and v).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from sam_infer.adapters.kinds.low_rank import ALL_ROWS, THIRDS, low_rank_name, rows_of
from sam_trainer.errors import TrainingError

DECODER = "mask_decoder"

# Name of a layer, its parent, its attribute there, and the parts of it that are adapted.
Place = tuple[str, nn.Module, str, list[str]]


class LowRankLinear(nn.Module):
    """A frozen linear layer plus `b @ a` on some of its rows; with `b` zero it is the layer it wraps."""

    def __init__(self, base: nn.Linear, parts: Sequence[str], rank: int) -> None:
        super().__init__()
        self.base = base
        self.parts = tuple(parts)
        self.a, self.b = nn.ParameterDict(), nn.ParameterDict()
        for part in self.parts:
            rows = rows_of(part, base.out_features)
            self.a[part], self.b[part] = _factors(base.weight, rows.stop - rows.start, base.in_features, rank)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        out: Tensor = self.base(x)
        for part in self.parts:
            change = F.linear(F.linear(x, self.a[part]), self.b[part])
            out[..., rows_of(part, self.base.out_features)] += change
        return out


class LowRankConv(nn.Module):
    """A frozen convolution, plain or transposed, whose flattened weight gets `b @ a`."""

    parts = (ALL_ROWS,)

    def __init__(self, base: nn.Conv2d | nn.ConvTranspose2d, rank: int) -> None:
        super().__init__()
        self.base = base
        self.a, self.b = nn.ParameterDict(), nn.ParameterDict()
        rows = len(base.weight)
        self.a[ALL_ROWS], self.b[ALL_ROWS] = _factors(base.weight, rows, base.weight[0].numel(), rank)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to what the convolution makes of it."""
        weight = self.base.weight + (self.b[ALL_ROWS] @ self.a[ALL_ROWS]).view_as(self.base.weight)
        said: Tensor = functional_call(self.base, {"weight": weight}, (x,))
        return said


class Lora:
    """Low-rank changes of some layers of a network; see `Adaptation`."""

    def __init__(self, places: Sequence[Place], rank: int, rate: float, seed: int) -> None:
        self._rate = rate
        self._layers: dict[str, LowRankLinear | LowRankConv] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for name, parent, child, parts in places:
                base = getattr(parent, child)
                layer = LowRankLinear(base, parts, rank) if isinstance(base, nn.Linear) else LowRankConv(base, rank)
                if isinstance(parent, nn.Sequential | nn.ModuleList):
                    parent[int(child)] = layer
                else:
                    setattr(parent, child, layer)
                self._layers[name] = layer

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return [factor for _, factor in self._factors()]

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The same, in groups with their peak learning rates."""
        return [(self._rate, self.parameters())]

    def tensors(self) -> dict[str, Tensor]:
        """What is kept, by its name in an adapter's file."""
        return {name: factor.detach().cpu().clone() for name, factor in self._factors()}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        with torch.no_grad():
            for name, factor in self._factors():
                factor.copy_(tensors[name])

    def _factors(self) -> Iterator[tuple[str, nn.Parameter]]:
        for name, layer in self._layers.items():
            for part in layer.parts:
                yield low_rank_name(f"{name}.weight", part, "a"), layer.a[part]
                yield low_rank_name(f"{name}.weight", part, "b"), layer.b[part]


def encoder_places(network: nn.Module, targets: Sequence[str]) -> list[Place]:
    """The layers of an encoder's blocks that the targets mean."""
    blocks = getattr(getattr(network, "image_encoder", None), "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        raise TrainingError("lora needs an encoder of attention blocks with one fused qkv projection", "method")
    places: list[Place] = []
    for number, block in enumerate(blocks):
        places += _in_block(f"image_encoder.blocks.{number}", block, targets)
    return places


def decoder_places(network: nn.Module, targets: Sequence[str]) -> list[Place]:
    """The layers of a mask decoder that the targets mean: attention, the MLPs of its blocks, and convolutions.

    SAMed_s adapts q and v of every attention of the decoder, here 5,888 numbers for each rank at SAM's size. The
    embedded network's decoder has one block of its encoder's kind besides.
    """
    places: list[Place] = []
    for path, module in network.get_submodule(DECODER).named_modules():
        here, children = f"{DECODER}.{path}".rstrip("."), dict(module.named_children())
        if {"attn", "mlp"} <= children.keys():
            places += _in_block(here, module, targets)
        for target, child in (("q", "q_proj"), ("k", "k_proj"), ("v", "v_proj"), ("proj", "out_proj")):
            if target in targets and child in children:
                places.append((f"{here}.{child}", module, child, [ALL_ROWS]))
        if "mlp" in targets and "cross_attn_token_to_image" in children:
            places += _in_mlp(f"{here}.mlp", module.get_submodule("mlp"))
        if "conv" in targets:
            convs = [name for name, child in children.items() if isinstance(child, nn.Conv2d | nn.ConvTranspose2d)]
            places += [(f"{here}.{name}", module, name, [ALL_ROWS]) for name in convs]
    return places


def _in_block(here: str, block: nn.Module, targets: Sequence[str]) -> list[Place]:
    attention = block.get_submodule("attn")
    places: list[Place] = []
    thirds = [part for part in THIRDS if part in targets]
    if thirds:
        places.append((f"{here}.attn.qkv", attention, "qkv", thirds))
    if "proj" in targets:
        places.append((f"{here}.attn.proj", attention, "proj", [ALL_ROWS]))
    return places + (_in_mlp(f"{here}.mlp", block.get_submodule("mlp")) if "mlp" in targets else [])


def _in_mlp(here: str, mlp: nn.Module) -> list[Place]:
    return [
        (f"{here}.{name}", mlp, name, [ALL_ROWS])
        for name, child in mlp.named_children()
        if isinstance(child, nn.Linear)
    ]


def _factors(weight: Tensor, rows: int, columns: int, rank: int) -> tuple[nn.Parameter, nn.Parameter]:
    """Factors beside a weight, the second zero; drawn on the CPU, so that a seed means the same everywhere."""
    a = torch.empty(rank, columns)
    nn.init.kaiming_uniform_(a, a=5**0.5)
    return nn.Parameter(a.to(weight.device)), nn.Parameter(torch.zeros(rows, rank, device=weight.device))
