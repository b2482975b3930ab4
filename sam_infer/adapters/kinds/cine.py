"""Kind `cine`: attention along time, and a word on the view (cineCMR-SAM).

    cine/image_encoder/slices                            ()    how many frames: odd
    cine/image_encoder.blocks.N/time/...                 norm, qkv, bias and out of an attention along the frames
    cine/image_encoder.blocks.N/mlp/...                  a bottleneck beside the MLP
    cine/mask_decoder.transformer/tag=VIEW/token         (width,) added to the decoder's own tokens

In every block the tokens of one position in all frames attend to each other first, with a residual; then comes the
attention in space, then the MLP with its bottleneck. Frames are a stack, whatever the axis: slices do as well. A view
(short axis, long axis, or any other tag of a case) changes the answer only through its vector.

The release gives time an attention as wide as the network's own, 28 million numbers at ViT-B size, drawn at random;
here it is narrowed to a quarter and its last layer begins with zeros. The view is a CLIP vector of its name there,
which is no more than a code for two words: here it is learned. As one more token it would change every attention
before it has learned anything, so it is added, from zeros. It cannot be merged.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from sam_infer.adapters.kinds.blocks import (
    DEPTH,
    ENCODER,
    TRANSFORMER,
    OwnBlock,
    attended,
    by_slice,
    checked_slices,
    look_at,
    plain_blocks,
    require_width,
    slices_tensor,
)
from sam_infer.adapters.kinds.bottleneck import BESIDE, Bottleneck, check_bottleneck, fresh_bottleneck
from sam_infer.adapters.kinds.domain_bank import check_vectors, fresh_vectors, insert_vectors
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
    tagged,
    under,
)
from sam_infer.weights.fingerprint import Tensors

CINE = "cine"
TIME, MLP, TOKEN = "time", "mlp", "token"
PARTS = {"norm.weight", "norm.bias", "qkv.weight", "qkv.bias", "bias", "out.weight", "out.bias"}

# Width of the network over width of the attention along time.
NARROWER = 4


class TimeAttention(nn.Module):
    """What the tokens of one position in all frames say to each other."""

    def __init__(self, width: int, narrow: int, heads: int, frames: int) -> None:
        super().__init__()
        self.frames, self.heads = frames, heads
        self.norm = nn.LayerNorm(width, device="meta")
        self.qkv = nn.Linear(width, 3 * narrow, device="meta")
        self.bias = nn.Parameter(torch.empty(heads, 2 * frames - 1, device="meta"))
        self.out = nn.Linear(narrow, width, device="meta")

    def forward(self, x: Tensor) -> Tensor:
        """(B * frames, ..., C) to the same shape."""
        stacks = by_slice(self.qkv(self.norm(x)), self.frames).transpose(1, 2)  # (B, positions, frames, 3 * narrow)
        batch, positions, frames, _ = stacks.shape
        q, k, v = stacks.reshape(batch * positions, frames, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        moment = torch.arange(frames, device=x.device)
        apart = self.bias[:, moment[:, None] - moment + frames - 1]
        weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 + apart).softmax(dim=-1)
        mixed = (weights.to(v.dtype) @ v).transpose(1, 2).reshape(batch, positions, frames, -1)
        said: Tensor = self.out(mixed.transpose(1, 2))
        return said.reshape(x.shape)


class CineBlock(OwnBlock):
    """A block of the encoder that looks along time first."""

    def __init__(self, block: nn.Module, time: TimeAttention, beside: Bottleneck) -> None:
        super().__init__(block)
        self.time, self.beside = time, beside

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (B * frames, ..., C) to the same shape."""
        x = x + self.time(x)
        x = x + attended(self, self.norm1(x), self.attn)
        read = self.norm2(x)
        out: Tensor = x + self.mlp(read) + BESIDE * self.beside(read)
        return out


class CineKind:
    """See `Inserting`."""

    prefix = CINE
    inserts = True

    def check(self, tensors: Tensors) -> None:
        """For every block an attention and a bottleneck; a vector for each view."""
        frames, places = checked_slices(tensors), by_place(tensors)
        check_vectors(tagged(places.pop(TRANSFORMER, {})), TOKEN)
        require_whole(places.pop(ENCODER).keys() == {"slices"} and bool(places), CINE)
        for place, part in places.items():
            time = under(part, TIME)
            require_whole(time.keys() == PARTS, f"{place}/{TIME}")
            require(time["bias"].ndim == 2 and time["bias"].shape[1] == 2 * frames - 1, place)
            require(time["out.weight"].ndim == 2 and time["out.weight"].shape[1] % len(time["bias"]) == 0, place)
            check_bottleneck(under(part, MLP), f"{place}/{MLP}")

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def begin(self, network: nn.Module, form: Form) -> dict[str, Tensor]:
        """For every block of the encoder, and for each tag."""
        tensors = {DEPTH: slices_tensor(form.slices)}
        for place in plain_blocks(network, CINE):
            width, heads, here, like = place.width, place.heads, f"{place.path}/{TIME}", place.qkv
            narrow = max(1, (form.width or width // NARROWER) // heads) * heads
            tensors |= {
                f"{here}/norm.weight": drawn(like, width) + 1,
                f"{here}/norm.bias": drawn(like, width),
                f"{here}/qkv.weight": drawn(like, 3 * narrow, width, fan_in=width),
                f"{here}/qkv.bias": drawn(like, 3 * narrow, fan_in=width),
                f"{here}/bias": drawn(like, heads, 2 * form.slices - 1),
                f"{here}/out.weight": drawn(like, width, narrow),
                f"{here}/out.bias": drawn(like, width),
            } | fresh_bottleneck(f"{place.path}/{MLP}", like, form.width)
        return tensors | fresh_vectors(network, form.tags, TOKEN)

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Other blocks around the same attention and MLP, and vectors before the decoder's transformer."""
        frames, places = checked_slices(tensors), by_place(tensors)
        trains: dict[str, nn.Parameter] = {}
        look_at(network, frames)
        vectors = insert_vectors(network, CINE, tagged(places.pop(TRANSFORMER, {})), TOKEN, told)
        for place, part in places.items():
            if place == ENCODER:
                continue
            mine = under(part, TIME)
            width, narrow = mine["out.weight"].shape
            time = filled(TimeAttention(width, narrow, len(mine["bias"]), frames), mine, place)
            beside = Bottleneck.of(under(part, MLP), place)
            for reads in (time.qkv.in_features, beside.down.in_features):
                require_width(network, place, reads)
            put_at(network, place, CineBlock(module_at(network, place), time, beside))
            trains |= {**named(time, f"{place}/{TIME}"), **named(beside, f"{place}/{MLP}")}
        return trains | vectors.named(TOKEN)
