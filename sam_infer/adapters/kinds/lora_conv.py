"""Kind `lora_conv`: a low-rank change that looks around, and a prompt made of the image (PA-SAM).

    lora_conv/image_encoder.blocks.N.attn.qkv/PART/a, b        (rank, width), (width, rank)    PART is q or v
    lora_conv/image_encoder.blocks.N.attn.qkv/PART/conv3       (c, c, 3, 3)    c is a quarter of the rank
    lora_conv/image_encoder.blocks.N.attn.qkv/PART/conv5       (c, c, 5, 5)
    lora_conv/mask_decoder.transformer/look.weight, down.weight, down.bias, up.weight, up.bias

`b (h + conv(h))` with `h = a x` is added to q and v: the first quarter of the rank's channels is convolved with 3 x 3
cells, the second with 5 x 5, the rest is not (partial convolution at several scales, MSPCA). A block that looks through
windows convolves inside them, as its attention does. The prompt (IPEG) is a pooled embedding, narrowed and widened.

The paper gives the image's prompt as tokens of their own; one more token takes its share of every attention before it
has learned anything. Here it is added to the decoder's own tokens, and `b` and `up` begin with zeros. The paper's
release was not available to compare. It cannot be merged: a convolution stands between the factors.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.adapters.kinds.blocks import TRANSFORMER, add_to_own_tokens, plain_blocks, require_width
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
from sam_infer.errors import AdapterError
from sam_infer.weights.fingerprint import Tensors

LORA_CONV = "lora_conv"

# Channels of the rank for each of the two convolutions: one of so many.
SHARE = 4

# Width of the decoder over width of the prompt head.
NARROWER = 4

FACTORS = {"a", "b", "conv3", "conv5"}
HEAD = {"look.weight", "down.weight", "down.bias", "up.weight", "up.bias"}


class LookingAround(nn.Module):
    """The low-rank change of one part of a projection."""

    def __init__(self, tensors: Tensors) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(tensors["a"]), nn.Parameter(tensors["b"])
        self.conv3, self.conv5 = nn.Parameter(tensors["conv3"]), nn.Parameter(tensors["conv5"])

    def forward(self, x: Tensor) -> Tensor:
        """(B, ..., C) of a square or of rows and columns to the same shape."""
        narrow = F.linear(x, self.a)
        rank, few = narrow.shape[-1], len(self.conv3)
        rows = x.shape[1] if x.ndim == 4 else round(x.shape[1] ** 0.5)
        cells = narrow.reshape(len(x), rows, -1, rank).permute(0, 3, 1, 2)
        first, second, rest = cells.split([few, few, rank - 2 * few], dim=1)
        around = (F.conv2d(first, self.conv3, padding=1), F.conv2d(second, self.conv5, padding=2))
        looked = torch.cat([first + around[0], second + around[1], rest], dim=1)
        return F.linear(looked.permute(0, 2, 3, 1).reshape(narrow.shape), self.b)


class AroundQkv(nn.Module):
    """A fused projection with changes of q and v that look around."""

    def __init__(self, base: nn.Module, q: LookingAround, v: LookingAround) -> None:
        super().__init__()
        self.base, self.q, self.v = base, q, v

    def forward(self, x: Tensor) -> Tensor:
        """(B, ..., C) to (B, ..., 3C)."""
        out: Tensor = self.base(x)
        width = x.shape[-1]
        out[..., :width] += self.q(x)
        out[..., 2 * width :] += self.v(x)
        return out


class ImagePrompt(nn.Module):
    """A vector that the image prompts itself with."""

    def __init__(self, width: int, narrow: int) -> None:
        super().__init__()
        self.look = nn.Linear(width, 1, bias=False, device="meta")
        self.down = nn.Linear(width, narrow, device="meta")
        self.up = nn.Linear(narrow, width, device="meta")

    def forward(self, image: Tensor) -> Tensor:
        """Embedding (N, C, h, w) to (N, C)."""
        cells = image.flatten(2).transpose(1, 2)
        pooled = (self.look(cells).softmax(dim=1) * cells).sum(dim=1)
        said: Tensor = self.up(F.gelu(self.down(pooled)))
        return said


class LoraConvKind:
    """See `Inserting`."""

    prefix = LORA_CONV
    inserts = True

    def check(self, tensors: Tensors) -> None:
        """Four factors for q and v of every block, and a prompt head."""
        places = by_place(tensors)
        head = places.pop(TRANSFORMER, {})
        require_whole(head.keys() == HEAD, f"{LORA_CONV}, prompt head")
        require(head["down.weight"].ndim == 2, f"{LORA_CONV}, prompt head")
        for place, part in places.items():
            for which in ("q", "v"):
                found = under(part, which)
                require_whole(found.keys() == FACTORS, f"{place}/{which}")
                require(found["conv3"].ndim == 4, place)
                a, few = found["a"], len(found["conv3"])
                require(a.ndim == 2 and a.shape == found["b"].shape[::-1] and 2 * few <= len(a), place)
                for side in (3, 5):
                    require(found[f"conv{side}"].shape == (few, few, side, side), place)

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def begin(self, network: nn.Module, form: Form) -> dict[str, Tensor]:
        """For q and v of every block of the encoder, and the prompt head."""
        rank, few = form.rank, form.rank // SHARE
        tensors: dict[str, Tensor] = {}
        if not few:
            raise AdapterError(f"{LORA_CONV} needs a rank of at least {SHARE}, got {rank}", "rank")
        for place in plain_blocks(network, LORA_CONV):
            for which in ("q", "v"):
                here = f"{place.path}.attn.qkv/{which}"
                tensors |= {
                    f"{here}/a": drawn(place.qkv, rank, place.width, fan_in=place.width),
                    f"{here}/b": drawn(place.qkv, place.width, rank),
                    f"{here}/conv3": drawn(place.qkv, few, few, 3, 3, fan_in=9 * few),
                    f"{here}/conv5": drawn(place.qkv, few, few, 5, 5, fan_in=25 * few),
                }
        like = network.get_parameter(f"{TRANSFORMER}.norm_final_attn.weight")
        width, narrow = len(like), len(like) // NARROWER
        return tensors | {
            f"{TRANSFORMER}/look.weight": drawn(like, 1, width, fan_in=width),
            f"{TRANSFORMER}/down.weight": drawn(like, narrow, width, fan_in=width),
            f"{TRANSFORMER}/down.bias": drawn(like, narrow, fan_in=width),
            f"{TRANSFORMER}/up.weight": drawn(like, width, narrow),
            f"{TRANSFORMER}/up.bias": drawn(like, width),
        }

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Around every projection that is named, and before the decoder's transformer."""
        places = by_place(tensors)
        trains: dict[str, nn.Parameter] = {}
        head = places.pop(TRANSFORMER)
        narrow, width = head["down.weight"].shape
        require_width(network, TRANSFORMER, width)
        prompt = filled(ImagePrompt(width, narrow), head, TRANSFORMER)
        add_to_own_tokens(network, LORA_CONV, prompt)
        for place, part in places.items():
            base = module_at(network, place)
            q, v = (LookingAround(under(part, which)) for which in ("q", "v"))
            require(getattr(base, "in_features", 0) == q.a.shape[1], place)
            put_at(network, place, AroundQkv(base, q, v))
            trains |= {**named(q, f"{place}/q"), **named(v, f"{place}/v")}
        return trains | named(prompt, TRANSFORMER)
