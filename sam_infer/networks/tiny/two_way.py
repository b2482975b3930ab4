"""SAM's two-way transformer for few tokens and many places: projections are moved from the places to the tokens.

`q . (K x)` is `(K' q) . x`: a place need not be projected where a token can be. Of 8 tokens and 256 places that is half
the work, and the places are read once instead of five times. The same numbers but for rounding; for inference.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.networks.sam_modules import TwoWayTransformer


class ProjectedAttention(Protocol):
    """What is read of SAM's own `Attention`."""

    num_heads: int
    internal_dim: int
    q_proj: nn.Linear
    k_proj: nn.Linear
    v_proj: nn.Linear
    out_proj: nn.Linear


def two_way(transformer: TwoWayTransformer, places: Tensor, position: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens (N, t, C) and places (N, p, C) after a `TwoWayTransformer`; `position` (1, p, C) is that of the places."""
    queries = tokens
    for layer in transformer.layers:
        if layer.skip_first_layer_pe:
            queries = layer.norm1(layer.self_attn(queries, queries, queries))
        else:
            asked = queries + tokens
            queries = layer.norm1(queries + layer.self_attn(asked, asked, queries))
        placed = places + position
        queries = layer.norm2(queries + looked(layer.cross_attn_token_to_image, queries + tokens, placed, places))
        queries = layer.norm3(queries + layer.mlp(queries))
        told_places = told(layer.cross_attn_image_to_token, placed, queries + tokens, queries)
        places = layer.norm4(told_places.add_(places))
    seen = looked(transformer.final_attn_token_to_image, queries + tokens, places + position, places)
    return transformer.norm_final_attn(queries + seen), places


def looked(attention: ProjectedAttention, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What few queries (N, t, C) see in many places: keys and values (N, p, C)."""
    count, told_by, width = queries.shape
    heads = attention.num_heads
    q = attention.q_proj(queries).view(count * told_by, heads, -1).transpose(0, 1)  # (heads, N t, d)
    # a key's bias adds the same to a query's every place: softmax does not see it
    asked = (q @ attention.k_proj.weight.view(heads, -1, width)).view(heads, count, told_by, width)
    asked = asked.transpose(0, 1).reshape(count, heads * told_by, width) * (attention.internal_dim // heads) ** -0.5
    seen = (asked @ keys.transpose(1, 2)).softmax(dim=-1) @ values
    seen = seen.view(count, heads, told_by, width).transpose(0, 1).reshape(heads, count * told_by, width)
    per_head = seen @ attention.v_proj.weight.view(heads, -1, width).transpose(1, 2)
    mixed = per_head.transpose(0, 1).reshape(count, told_by, -1) + attention.v_proj.bias
    return F.linear(mixed, attention.out_proj.weight, attention.out_proj.bias)


def told(attention: ProjectedAttention, places: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What few tokens, keys and values (N, t, C), tell many places (N, p, C)."""
    count, telling, width = keys.shape
    heads = attention.num_heads
    k = attention.k_proj(keys).view(count * telling, heads, -1).transpose(0, 1)  # (heads, N t, d)
    asked = (k @ attention.q_proj.weight.view(heads, -1, width)).view(heads, count, telling, width)
    asked = asked.transpose(0, 1).reshape(count, heads * telling, width)
    always = (k @ attention.q_proj.bias.view(heads, -1, 1)).view(heads, count, telling).transpose(0, 1)
    scores = torch.baddbmm(always.reshape(count, -1, 1), asked, places.transpose(1, 2))
    scores = scores.mul_((attention.internal_dim // heads) ** -0.5).view(count, heads, telling, -1).softmax(dim=2)
    v = attention.v_proj(values).view(count * telling, heads, -1).transpose(0, 1)
    out = v @ attention.out_proj.weight.view(width, heads, -1).permute(1, 2, 0)  # (heads, N t, C)
    out = out.view(heads, count, telling, width).transpose(0, 1).reshape(count, heads * telling, width)
    return torch.baddbmm(attention.out_proj.bias, scores.view(count, heads * telling, -1).transpose(1, 2), out)
