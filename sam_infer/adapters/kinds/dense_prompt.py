"""Kind `dense_prompt`: what a network is told where no mask was given, and a token of its own (sonar SAM).

    dense_prompt/prompt_encoder/map       (1, width, g, g)   added to the vector for "no mask", at every cell
    dense_prompt/mask_decoder/iou_token   (1, width)         takes the place of the IoU token

The paper learns a dense embedding in the place of SAM's one vector for "no mask", and a token in the place of the one
that estimates IoU. It says neither whether the embedding is a vector or a map; a map can learn where things are, so it
is one. It begins with zeros, the token with the network's. Without the map this could be merged; with it, it cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sam_infer.adapters.kinds.blocks import DECODER
from sam_infer.adapters.kinds.kind import Form, Told, drawn, filled, module_at, named, require, require_whole
from sam_infer.weights.fingerprint import Tensors

DENSE_PROMPT = "dense_prompt"

PROMPTS = "prompt_encoder"
MAP, TOKEN = f"{PROMPTS}/map", f"{DECODER}/iou_token"


class SaidByNobody(nn.Module):
    """A map for the prompt encoder's dense answer, where no mask was given."""

    def __init__(self, width: int, grid: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.empty(1, width, grid, grid, device="meta"))

    def forward(self, dense: Tensor) -> Tensor:
        """(N, width, g, g) to the same shape."""
        return dense + self.map


class DensePromptKind:
    """See `Inserting`."""

    prefix = DENSE_PROMPT
    inserts = True

    def check(self, tensors: Tensors) -> None:
        """A map and a token of one width."""
        require_whole(tensors.keys() == {MAP, TOKEN}, DENSE_PROMPT)
        prior, token = tensors[MAP], tensors[TOKEN]
        square = prior.ndim == 4 and len(prior) == 1 and prior.shape[2] == prior.shape[3]
        require(square and token.shape == prior.shape[:2], DENSE_PROMPT)

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def begin(self, network: nn.Module, form: Form) -> dict[str, Tensor]:
        """A map of zeros, and the network's own token."""
        prompts, token = module_at(network, PROMPTS), network.get_parameter(f"{DECODER}.iou_token.weight")
        side = _grid(prompts)
        return {MAP: drawn(token, 1, token.shape[1], side, side), TOKEN: token.detach().clone()}

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """A hook on the prompt encoder: others go on to read its attributes."""
        prompts, decoder = module_at(network, PROMPTS), module_at(network, DECODER)
        width, side = tensors[MAP].shape[1:3]
        require(side == _grid(prompts), MAP)
        require(tensors[TOKEN].shape == decoder.get_parameter("iou_token.weight").shape, TOKEN)
        prior = filled(SaidByNobody(width, side), {"map": tensors[MAP]}, MAP)
        prompts.add_module(DENSE_PROMPT, prior)
        prompts.register_forward_hook(_answer)
        token = filled(nn.Embedding(1, width, device="meta"), {"weight": tensors[TOKEN]}, TOKEN)
        decoder.add_module("iou_token", token)
        return {**named(prior, PROMPTS), TOKEN: token.get_parameter("weight")}


def _answer(prompts: nn.Module, asked: tuple[Any, ...], said: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The prompt encoder's answer to points, box and mask, with the map if there was no mask."""
    sparse, dense = said
    return (sparse, prompts.get_submodule(DENSE_PROMPT)(dense)) if asked[2] is None else said


def _grid(prompts: nn.Module) -> int:
    """Cells on a side of the embedding."""
    size = getattr(prompts, "image_embedding_size", None)
    require(isinstance(size, tuple), PROMPTS)
    return int(size[0]) if isinstance(size, tuple) else 0
