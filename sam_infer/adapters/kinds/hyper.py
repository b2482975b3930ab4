"""Kind `hyper`: corrections in the mask decoder whose weights the prompt makes (HyP-Adpt of Med-SA, arXiv 2304.12620).

    hyper/mask_decoder.transformer.layers.N/down.weight, down.bias     to the hidden width
    hyper/mask_decoder.transformer.layers.N/first, second              (h, width), (hidden * hidden, h)
    hyper/mask_decoder.transformer.layers.N/norm.weight, norm.bias, up.weight, up.bias

After the tokens of a block have looked at the image they are narrowed, multiplied with a matrix, normalised, cut at
zero, widened and added. The matrix is one plus what two layers make of the mean of the prompt's tokens. These have no
biases, so a prompt that says nothing leaves the matrix one; the second begins with zeros, and so does `up`. Tokens that
mean "not a point" are no part of the prompt: how others were padded changes nothing.

HyP-Adpt is in the paper only; its release has no adapter in the decoder. It cannot be merged: its weights are another
for every prompt.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.adapters.kinds.blocks import decoder_layers, own_tokens, require_width
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

HYPER = "hyper"
PARTS = {"down.weight", "down.bias", "first", "second", "norm.weight", "norm.bias", "up.weight", "up.bias"}

# Width of the decoder over hidden width; numbers between the prompt and the matrix.
NARROWER, BETWEEN = 4, 32

NOTHING = "prompt_encoder.not_a_point_embed.weight"


class Prompted(nn.Module):
    """A correction of tokens, by weights that are made of the prompt."""

    def __init__(self, width: int, hidden: int, between: int) -> None:
        super().__init__()
        self.down = nn.Linear(width, hidden, device="meta")
        self.first = nn.Parameter(torch.empty(between, width, device="meta"))
        self.second = nn.Parameter(torch.empty(hidden * hidden, between, device="meta"))
        self.norm = nn.LayerNorm(hidden, device="meta")
        self.up = nn.Linear(hidden, width, device="meta")

    def matrix(self, prompt: Tensor) -> Tensor:
        """What prompts (N, C) make of the hidden width: (N, hidden, hidden)."""
        hidden = self.down.out_features
        made = F.linear(F.relu(F.linear(prompt, self.first)), self.second).view(-1, hidden, hidden)
        return made + torch.eye(hidden, device=made.device, dtype=made.dtype)

    def forward(self, tokens: Tensor, prompt: Tensor) -> Tensor:
        """The correction of tokens (N, T, C) under prompts (N, C)."""
        said: Tensor = self.up(F.relu(self.norm(self.down(tokens) @ self.matrix(prompt))))
        return said


class PromptedLayer(nn.Module):
    """A two-way block of a mask decoder whose parts another one takes over, with a correction after its first look."""

    def __init__(self, layer: nn.Module, adapter: Prompted, own: int, nothing: nn.Module) -> None:
        super().__init__()
        for name, child in layer.named_children():
            self.add_module(name, child)
        self.skip_first_layer_pe = bool(getattr(layer, "skip_first_layer_pe", False))
        self.adapter = adapter
        self._own = own
        self._nothing = [nothing]  # in a list: it is the prompt encoder's, and no part of this block

    def forward(self, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (N, T, C) and image (N, cells, C), as in SAM."""
        part = self.get_submodule
        if self.skip_first_layer_pe:
            queries = part("self_attn")(q=queries, k=queries, v=queries)
        else:
            asked = queries + query_pe
            queries = queries + part("self_attn")(q=asked, k=asked, v=queries)
        queries = part("norm1")(queries)
        look = part("cross_attn_token_to_image")(q=queries + query_pe, k=keys + key_pe, v=keys)
        queries = part("norm2")(queries + look)
        queries = queries + self.adapter(queries, self._prompt(query_pe))
        queries = part("norm3")(queries + part("mlp")(queries))
        look = part("cross_attn_image_to_token")(q=keys + key_pe, k=queries + query_pe, v=queries)
        return queries, part("norm4")(keys + look)

    def _prompt(self, tokens: Tensor) -> Tensor:
        """The mean (N, C) of what was said among tokens (N, T, C): zeros where that is nothing."""
        said = tokens[:, self._own :]
        means = (said != self._nothing[0].get_parameter("weight")).any(dim=-1, keepdim=True)
        return (said * means).sum(dim=1) / means.sum(dim=1).clamp(min=1)


class HyperKind:
    """See `Inserting`."""

    prefix = HYPER
    inserts = True

    def check(self, tensors: Tensors) -> None:
        """Eight tensors for every block."""
        for place, part in by_place(tensors).items():
            require_whole(part.keys() == PARTS, place)
            require(part["down.weight"].ndim == 2 and part["first"].ndim == 2, place)
            hidden = len(part["down.weight"])
            require(part["second"].shape == (hidden * hidden, len(part["first"])), place)

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def begin(self, network: nn.Module, form: Form) -> dict[str, Tensor]:
        """For every two-way block of the decoder."""
        tensors: dict[str, Tensor] = {}
        for place in decoder_layers(network):
            like = place.block.get_parameter("norm2.weight")
            width, here = len(like), place.path
            hidden = form.width or width // NARROWER
            tensors |= {
                f"{here}/down.weight": drawn(like, hidden, width, fan_in=width),
                f"{here}/down.bias": drawn(like, hidden, fan_in=width),
                f"{here}/first": drawn(like, BETWEEN, width, fan_in=width),
                f"{here}/second": drawn(like, hidden * hidden, BETWEEN),
                f"{here}/norm.weight": drawn(like, hidden) + 1,
                f"{here}/norm.bias": drawn(like, hidden),
                f"{here}/up.weight": drawn(like, width, hidden),
                f"{here}/up.bias": drawn(like, width),
            }
        return tensors

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Other blocks around the same attention."""
        trains: dict[str, nn.Parameter] = {}
        nothing, own = module_at(network, NOTHING.removesuffix(".weight")), own_tokens(network)
        for place, part in by_place(tensors).items():
            hidden, width = part["down.weight"].shape
            adapter = filled(Prompted(width, hidden, len(part["first"])), part, place)
            require_width(network, place, width)
            put_at(network, place, PromptedLayer(module_at(network, place), adapter, own, nothing))
            trains |= named(adapter, place)
        return trains
