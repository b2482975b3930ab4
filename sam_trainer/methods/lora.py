"""LoRA: low-rank changes of the encoder's attention, trained beside frozen weights and merged into them for serving.

q, k and v come from one fused projection. Each that is adapted has factors of its own, so what is not adapted keeps
every bit: a low-rank change of the whole projection would move k too (arXiv 2304.13785 adapts q and v).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.adapters.kinds.low_rank import ALL_ROWS, THIRDS, low_rank_name, rows_of
from sam_trainer.errors import TrainingError


class LowRankLinear(nn.Module):
    """A frozen linear layer plus `b @ a` on some of its rows; with `b` zero it is the layer it wraps."""

    def __init__(self, base: nn.Linear, parts: Sequence[str], rank: int) -> None:
        super().__init__()
        self.base = base
        self.parts = tuple(parts)
        self.a, self.b = nn.ParameterDict(), nn.ParameterDict()
        for part in self.parts:
            rows = rows_of(part, base.out_features)
            a = torch.empty(rank, base.in_features)
            nn.init.kaiming_uniform_(a, a=5**0.5)
            self.a[part] = nn.Parameter(a)
            self.b[part] = nn.Parameter(torch.zeros(rows.stop - rows.start, rank))

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        out: Tensor = self.base(x)
        for part in self.parts:
            change = F.linear(F.linear(x, self.a[part]), self.b[part])
            out[..., rows_of(part, self.base.out_features)] += change
        return out


class Lora:
    """Low-rank changes inserted into a network's encoder; see `Adaptation`."""

    def __init__(self, network: nn.Module, rank: int, targets: Sequence[str], rate: float, seed: int) -> None:
        self._rate = rate
        self._layers: dict[str, LowRankLinear] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for name, parent, child, parts in list(_places(network, targets)):
                layer = LowRankLinear(getattr(parent, child), parts, rank)
                setattr(parent, child, layer)
                self._layers[name] = layer

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return [
            factor
            for layer in self._layers.values()
            for part in layer.parts
            for factor in (layer.a[part], layer.b[part])
        ]

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


def _places(network: nn.Module, targets: Sequence[str]) -> Iterator[tuple[str, nn.Module, str, list[str]]]:
    """Name, parent, attribute and adapted parts of every layer that gets a low-rank change."""
    blocks = getattr(getattr(network, "image_encoder", None), "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        raise TrainingError("lora needs an encoder of attention blocks with one fused qkv projection", "method")
    thirds = [part for part in THIRDS if part in targets]
    for number, block in enumerate(blocks):
        attention, mlp = block.get_submodule("attn"), block.get_submodule("mlp")
        here = f"image_encoder.blocks.{number}"
        if thirds:
            yield f"{here}.attn.qkv", attention, "qkv", thirds
        if "proj" in targets:
            yield f"{here}.attn.proj", attention, "proj", [ALL_ROWS]
        if "mlp" in targets:
            linear = [name for name, child in mlp.named_children() if isinstance(child, nn.Linear)]
            for name in linear:
                yield f"{here}.mlp.{name}", mlp, name, [ALL_ROWS]
