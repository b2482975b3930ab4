"""Kind `sdtrans`: the encoder's own attention looks along the slices too (SD-Trans of Med-SA, arXiv 2304.12620).

    sdtrans/image_encoder/slices                                ()    how many slices: odd
    sdtrans/image_encoder.blocks.N/bias                         (heads, 2 * slices - 1)    by distance in slices
    sdtrans/image_encoder.blocks.N/space/..., depth/..., mlp/...      a bottleneck each

In every block the attention is asked twice with the same weights: in space as ever, and in depth, where the tokens of
one position in all slices attend to each other. `space` corrects the first answer, `depth` makes of the second what is
added to it, `mlp` stands beside the MLP as in kind `bottleneck`.

Built after the paper, not after its release: there the depth branch is grouped after the partition into windows, and
mixes windows of one slice instead of slices. Here the tokens are grouped before it, and how many slices there are is
said, never guessed from a batch. Distances in depth have a bias of their own, which begins with zeros, in the place of
the two-dimensional positions; so do all `up`. It cannot be merged.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sam_infer.adapters.kinds.blocks import (
    DEPTH,
    ENCODER,
    OwnBlock,
    Place,
    attended,
    by_slice,
    checked_slices,
    look_at,
    plain_blocks,
    require_width,
    slices_tensor,
)
from sam_infer.adapters.kinds.bottleneck import BESIDE, PARTS, Bottleneck, check_bottleneck, fresh_bottleneck
from sam_infer.adapters.kinds.kind import (
    Form,
    Told,
    by_place,
    drawn,
    module_at,
    named,
    put_at,
    require,
    require_whole,
    under,
)
from sam_infer.weights.fingerprint import Tensors

SDTRANS = "sdtrans"
BRANCHES = ("space", "depth", "mlp")


class DepthBlock(OwnBlock):
    """A block of the encoder whose attention is asked along the slices too."""

    def __init__(self, block: nn.Module, slices: int, bias: Tensor, branches: Mapping[str, Bottleneck]) -> None:
        super().__init__(block)
        self.slices = slices
        self.bias = nn.Parameter(bias)
        self.branches = nn.ModuleDict(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B * slices, ..., C) to the same shape."""
        read = self.norm1(x)
        space = attended(self, read, self.attn)
        space = space + self.branches["space"](space)
        x = x + space + self.branches["depth"](self._depth(read))
        read = self.norm2(x)
        out: Tensor = x + self.mlp(read) + BESIDE * self.branches["mlp"](read)
        return out

    def _depth(self, read: Tensor) -> Tensor:
        """What the attention says about the tokens of one position in all slices."""
        stacks = by_slice(read, self.slices).transpose(1, 2)  # (B, positions, slices, C)
        columns = stacks.flatten(0, 1)
        count, slices, width = columns.shape
        heads = len(self.bias)
        qkv = self.attn.get_submodule("qkv")(columns)
        q, k, v = qkv.view(count, slices, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        place = torch.arange(slices, device=read.device)
        apart = self.bias[:, place[:, None] - place + slices - 1]
        weights = (q @ k.transpose(-2, -1) * (width // heads) ** -0.5 + apart).softmax(dim=-1)
        mixed = (weights.to(v.dtype) @ v).transpose(1, 2).reshape(count, slices, width)
        said: Tensor = self.attn.get_submodule("proj")(mixed)
        return said.view_as(stacks).transpose(1, 2).reshape(read.shape)


class SdTransKind:
    """See `Inserting`."""

    prefix = SDTRANS
    inserts = True

    def check(self, tensors: Tensors) -> None:
        """For every block three bottlenecks and a bias for every distance."""
        slices, places = checked_slices(tensors), by_place(tensors)
        require_whole(places.pop(ENCODER).keys() == {"slices"} and bool(places), SDTRANS)
        for place, part in places.items():
            require_whole(part.keys() == {"bias", *(f"{name}/{one}" for name in BRANCHES for one in PARTS)}, place)
            bias = part["bias"]
            require(bias.ndim == 2 and bias.shape[1] == 2 * slices - 1, place)
            for branch in BRANCHES:
                check_bottleneck(under(part, branch), f"{place}/{branch}")

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def begin(self, network: nn.Module, form: Form) -> dict[str, Tensor]:
        """For every block of the encoder."""
        tensors = {DEPTH: slices_tensor(form.slices)}
        for place in plain_blocks(network, SDTRANS):
            tensors[f"{place.path}/bias"] = drawn(place.qkv, place.heads, 2 * form.slices - 1)
            for branch in BRANCHES:
                tensors |= fresh_bottleneck(f"{place.path}/{branch}", place.qkv, form.width)
        return tensors

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Other blocks around the same attention and MLP."""
        slices = checked_slices(tensors)
        trains: dict[str, nn.Parameter] = {}
        look_at(network, slices)
        for place, part in by_place(tensors).items():
            if place == ENCODER:
                continue
            branches = {name: Bottleneck.of(under(part, name), place) for name in BRANCHES}
            for branch in branches.values():
                require_width(network, place, branch.down.in_features)
            old = module_at(network, place)
            require(Place(place, old).heads == len(part["bias"]), place)
            block = DepthBlock(old, slices, part["bias"], branches)
            put_at(network, place, block)
            trains[f"{place}/bias"] = block.bias
            for name, module in branches.items():
                trains |= named(module, f"{place}/{name}")
        return trains
