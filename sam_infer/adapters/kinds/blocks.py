"""Where kinds insert: the attention blocks of an encoder and of a mask decoder, and stacks of slices in the first."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sam_infer.adapters.kinds.kind import module_at, require
from sam_infer.errors import AdapterError
from sam_infer.networks.backbone import SLICES
from sam_infer.networks.sam_modules import window_partition, window_unpartition
from sam_infer.weights.fingerprint import Tensors

ENCODER, DECODER = "image_encoder", "mask_decoder"
TRANSFORMER = f"{DECODER}.transformer"

# The name of the tensor that says how many slices an encoder looks at, and how many are too many.
DEPTH, MOST_SLICES = f"{ENCODER}/slices", 15

# Of an attention that may be wrapped, or whose projection may be.
QKV = re.compile(r"(^|\.)qkv\.(base\.)?weight$")

PLAIN = {"norm1", "attn", "norm2", "mlp"}


@dataclass(frozen=True, eq=False)
class Place:
    """A block of an encoder."""

    path: str
    block: nn.Module

    @property
    def qkv(self) -> Tensor:
        """The weight of its fused projection: (3 * width, width)."""
        return self.block.get_parameter("attn.qkv.weight")

    @property
    def width(self) -> int:
        """Channels of its tokens."""
        return self.qkv.shape[1]

    @property
    def heads(self) -> int:
        """Of its attention."""
        attention = self.block.get_submodule("attn")
        return int(getattr(attention, "num_heads", 0) or getattr(attention, "heads", 0))


def encoder_blocks(network: nn.Module, kind: str) -> list[Place]:
    """Every block with an attention and an MLP, of whatever architecture."""
    encoder = module_at(network, ENCODER)
    found = [
        Place(f"{ENCODER}.{path}", module)
        for path, module in encoder.named_modules()
        if {"attn", "mlp"} <= dict(module.named_children()).keys()
    ]
    if not found:
        raise AdapterError(f"{kind} needs an encoder of attention blocks", "method")
    return found


def plain_blocks(network: nn.Module, kind: str) -> list[Place]:
    """The blocks of an encoder whose blocks are all two norms, a fused attention and an MLP, of one width."""
    blocks = getattr(module_at(network, ENCODER), "blocks", None)
    if not isinstance(blocks, nn.ModuleList) or any(dict(one.named_children()).keys() != PLAIN for one in blocks):
        raise AdapterError(
            f"{kind} needs an encoder of plain attention blocks of one width, which this network's is not", "method"
        )
    return [Place(f"{ENCODER}.blocks.{number}", block) for number, block in enumerate(blocks)]


def decoder_layers(network: nn.Module) -> list[Place]:
    """The two-way blocks of a mask decoder."""
    layers = module_at(network, f"{TRANSFORMER}.layers")
    return [Place(f"{TRANSFORMER}.layers.{number}", layer) for number, layer in enumerate(layers.children())]


def require_width(network: nn.Module, place: str, width: int) -> None:
    """Refuse what is wider or narrower than the tokens at its place."""
    require(width == _width_at(network, place), place)


def _width_at(network: nn.Module, place: str) -> int:
    """Channels of the tokens in the block that a place is part of; 0 outside of every block.

    What is asked may have been put into the block before, around what was there.
    """
    if place.startswith(f"{DECODER}."):
        return len(network.get_parameter(f"{TRANSFORMER}.norm_final_attn.weight"))
    parts = place.split(".")
    module_at(network, place)  # with the whole path in its sentence
    for count in range(len(parts), 0, -1):
        block = module_at(network, ".".join(parts[:count]))
        if {"attn", "mlp"} <= dict(block.named_children()).keys():
            inside = block.get_submodule("attn").named_parameters()
            return next((value.shape[1] for name, value in inside if QKV.search(name)), 0)
    return 0


def own_tokens(network: nn.Module) -> int:
    """How many tokens a mask decoder asks with before the prompts: for IoU and for masks."""
    return 1 + len(network.get_parameter(f"{DECODER}.mask_tokens.weight"))


def add_to_own_tokens(network: nn.Module, name: str, voice: nn.Module) -> None:
    """Have `voice`, which makes a vector (N or 1, C) of the embedding (N, C, h, w), heard by a decoder's own tokens."""
    transformer, own = module_at(network, TRANSFORMER), own_tokens(network)
    transformer.add_module(name, voice)

    def heard(_: nn.Module, asked: tuple[Any, ...]) -> tuple[Tensor, Tensor, Tensor]:
        image, position, tokens = asked
        return image, position, torch.cat([tokens[:, :own] + voice(image)[:, None], tokens[:, own:]], dim=1)

    transformer.register_forward_pre_hook(heard)


def attended(block: nn.Module, x: Tensor, attend: Callable[[Tensor], Tensor]) -> Tensor:
    """What an attention says about normalised tokens, in the block's windows if it has some."""
    window = int(getattr(block, "window_size", 0))
    if not window:
        return attend(x)
    windows, padded = window_partition(x, window)
    whole: Tensor = window_unpartition(attend(windows), window, padded, (x.shape[1], x.shape[2]))
    return whole


class OwnBlock(nn.Module):
    """A block whose parts another one takes over, under the same names, so that others still find them."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.norm1, self.attn = block.get_submodule("norm1"), block.get_submodule("attn")
        self.norm2, self.mlp = block.get_submodule("norm2"), block.get_submodule("mlp")
        self.window_size = int(getattr(block, "window_size", 0))


def by_slice(x: Tensor, slices: int) -> Tensor:
    """Tokens (B * slices, ..., C) as (B, slices, positions, C)."""
    return x.reshape(-1, slices, x[0].numel() // x.shape[-1], x.shape[-1])


def slices_tensor(slices: int) -> Tensor:
    """How many slices, as it is kept."""
    return torch.tensor(slices, dtype=torch.int64)


def checked_slices(tensors: Tensors) -> int:
    """How many slices the tensors are for."""
    found = tensors.get(DEPTH)
    number = 0 if found is None or found.ndim or found.is_floating_point() else int(found)
    require(number % 2 == 1 and 1 <= number <= MOST_SLICES, DEPTH)
    return number


def look_at(network: nn.Module, slices: int) -> None:
    """Have whoever encodes show the network stacks of so many slices."""
    setattr(module_at(network, ENCODER), SLICES, slices)
