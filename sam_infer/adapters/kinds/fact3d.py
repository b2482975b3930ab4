"""Kind `fact3d`: one low-rank change for all layers, and a look at the slices beside (MA-SAM, arXiv 2309.08842).

    fact3d/image_encoder/slices                    ()            how many slices: odd
    fact3d/image_encoder/u, v                      (rank, width), (width, rank)    shared by all blocks
    fact3d/image_encoder.blocks.N.attn.qkv/q, v    (rank, rank)  a block's own cores (FacT, arXiv 2212.03145)
    fact3d/image_encoder.blocks.N/before/...       norm, down, across and up of the adapter before the attention
    fact3d/image_encoder.blocks.N/between/...      the same between attention and MLP

To q and v of every block `v @ core @ u` is added. The two adapters are on a skip: normalise, narrow, mix every
position with the same one in the slices before and after (a convolution of 3 x 1 x 1), GELU, widen.

Built with zeros in `v` and in both `up`: the release draws `up` at random, so the network is another one before its
first step. The slices at the ends are repeated, not followed by zeros, so one slice means what three equal ones mean.
`up` has no bias, so that an adapter has 2Cw + 3w^2 + w + 2C numbers; FacT's dropout is left out, nothing else here has
any. FacT alone could be merged; the adapters cannot.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.adapters.kinds.blocks import (
    DEPTH,
    ENCODER,
    OwnBlock,
    attended,
    by_slice,
    checked_slices,
    look_at,
    plain_blocks,
    require_width,
    slices_tensor,
)
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
    under,
)
from sam_infer.weights.fingerprint import Tensors

FACT3D = "fact3d"

# Width of the network over width of an adapter; MA-SAM takes 384 channels at any size, `width` asks for that.
NARROWER = 4

PLACES = ("before", "between")
PARTS = ("norm.weight", "norm.bias", "down.weight", "across.weight", "across.bias", "up.weight")


class FactQkv(nn.Module):
    """A fused projection whose q and v get the shared low-rank change through cores of their own."""

    def __init__(self, base: nn.Module, shared: tuple[nn.Parameter, nn.Parameter], cores: Tensors) -> None:
        super().__init__()
        self.base = base
        self._u, self._v = shared  # registered once more here, as the same parameters
        self.q, self.v = nn.Parameter(cores["q"]), nn.Parameter(cores["v"])

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) to (..., 3C)."""
        out: Tensor = self.base(x)
        width = x.shape[-1]
        narrow = F.linear(x, self._u)
        out[..., :width] += F.linear(F.linear(narrow, self.q), self._v)
        out[..., 2 * width :] += F.linear(F.linear(narrow, self.v), self._v)
        return out


class Across(nn.Module):
    """What a position's neighbours in the slices before and after have to say."""

    def __init__(self, width: int, narrow: int, slices: int) -> None:
        super().__init__()
        self.slices = slices
        self.norm = nn.LayerNorm(width, device="meta")
        self.down = nn.Linear(width, narrow, bias=False, device="meta")
        self.across = nn.Conv1d(narrow, narrow, 3, device="meta")
        self.up = nn.Linear(narrow, width, bias=False, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """(B * slices, ..., C) to the same shape."""
        here = by_slice(self.down(self.norm(x)), self.slices)
        before = torch.cat([here[:, :1], here[:, :-1]], dim=1)
        after = torch.cat([here[:, 1:], here[:, -1:]], dim=1)
        kernel = self.across.weight
        mixed = F.linear(before, kernel[..., 0]) + F.linear(here, kernel[..., 1], self.across.bias)
        mixed = mixed + F.linear(after, kernel[..., 2])
        said: Tensor = self.up(F.gelu(mixed))
        return said.view_as(x)


class StackBlock(OwnBlock):
    """A block of the encoder with an adapter before its attention and one before its MLP."""

    def __init__(self, block: nn.Module, before: Across, between: Across) -> None:
        super().__init__(block)
        self.before, self.between = before, between

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B * slices, ..., C) to the same shape."""
        x = x + self.before(x)
        x = x + attended(self, self.norm1(x), self.attn)
        x = x + self.between(x)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class Fact3dKind:
    """See `Inserting`."""

    prefix = FACT3D
    inserts = True

    def check(self, tensors: Tensors) -> None:
        """Shared factors, and for every block cores and both adapters."""
        checked_slices(tensors)
        places = by_place(tensors)
        require_whole(places.pop(ENCODER, {}).keys() == {"slices", "u", "v"}, FACT3D)
        u, v = tensors[f"{ENCODER}/u"], tensors[f"{ENCODER}/v"]
        require(u.ndim == 2 and u.shape == v.shape[::-1], FACT3D)
        for place, part in places.items():
            if place.endswith(".attn.qkv"):
                require_whole(part.keys() == {"q", "v"}, place)
                require(all(core.shape == (len(u), len(u)) for core in part.values()), place)
            else:
                require_whole(part.keys() == {f"{where}/{name}" for where in PLACES for name in PARTS}, place)
                require_whole(f"{place}.attn.qkv" in places, place)
                require(all(part[f"{where}/down.weight"].ndim == 2 for where in PLACES), place)

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def begin(self, network: nn.Module, form: Form) -> dict[str, Tensor]:
        """For every block of the encoder."""
        places = plain_blocks(network, FACT3D)
        like, width, rank = places[0].qkv, places[0].width, form.rank
        narrow = form.width or width // NARROWER
        tensors = {
            DEPTH: slices_tensor(form.slices),
            f"{ENCODER}/u": drawn(like, rank, width, fan_in=width),
            f"{ENCODER}/v": drawn(like, width, rank),
        }
        for place in places:
            for core in ("q", "v"):
                tensors[f"{place.path}.attn.qkv/{core}"] = drawn(like, rank, rank, fan_in=rank)
            for where in PLACES:
                here = f"{place.path}/{where}"
                tensors |= {
                    f"{here}/norm.weight": drawn(like, width) + 1,
                    f"{here}/norm.bias": drawn(like, width),
                    f"{here}/down.weight": drawn(like, narrow, width, fan_in=width),
                    f"{here}/across.weight": drawn(like, narrow, narrow, 3, fan_in=3 * narrow),
                    f"{here}/across.bias": drawn(like, narrow, fan_in=3 * narrow),
                    f"{here}/up.weight": drawn(like, width, narrow),
                }
        return tensors

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Other blocks around the same attention and MLP."""
        slices = checked_slices(tensors)
        look_at(network, slices)
        shared = nn.Parameter(tensors[f"{ENCODER}/u"]), nn.Parameter(tensors[f"{ENCODER}/v"])
        trains = {f"{ENCODER}/u": shared[0], f"{ENCODER}/v": shared[1]}
        for place, part in by_place(tensors).items():
            if place.endswith(".attn.qkv"):
                base = module_at(network, place)
                require(getattr(base, "in_features", 0) == shared[0].shape[1], place)
                qkv = FactQkv(base, shared, part)
                put_at(network, place, qkv)
                trains |= {f"{place}/q": qkv.q, f"{place}/v": qkv.v}
            elif place != ENCODER:
                adapters = [_across(part, where, place, slices) for where in PLACES]
                for adapter in adapters:
                    require_width(network, place, adapter.down.in_features)
                put_at(network, place, StackBlock(module_at(network, place), *adapters))
                for where, adapter in zip(PLACES, adapters, strict=True):
                    trains |= named(adapter, f"{place}/{where}")
        return trains


def _across(part: Tensors, where: str, place: str, slices: int) -> Across:
    mine = under(part, where)
    narrow, width = mine["down.weight"].shape
    return filled(Across(width, narrow, slices), mine, place)
