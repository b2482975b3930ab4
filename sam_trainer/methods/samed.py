"""SAMed's way to adapt (arXiv 2304.13785): the mask decoder, never prompted, gives a mask per label and one more.

Low-rank changes of q and v in the encoder, the mask decoder with its new masks, and what the prompt encoder says when
nothing is prompted train together. A baseline of the few-shot bench; no adapter is made of it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sam_infer.networks.layers import mlp
from sam_infer.networks.tiny.model import TinySam
from sam_trainer.errors import TrainingError
from sam_trainer.methods.lora import Lora, encoder_places
from sam_trainer.methods.trainable import Trainable

RANK, TARGETS = 4, ("q", "v")


class Samed:
    """A network that answers with K + 1 masks, the first of which is the background's."""

    def __init__(self, asked: Trainable, labels: int, rate: float, seed: int) -> None:
        network = asked.network
        if not isinstance(network, TinySam):
            raise TrainingError("samed is measured with tiny only", "methods")
        self._asked = asked
        network.requires_grad_(False)
        lora = Lora(encoder_places(network, TARGETS), RANK, rate, seed)
        decoder, masks = network.mask_decoder, labels + 1
        width, fine = decoder.mask_tokens.embedding_dim, decoder.draw.out_channels
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            decoder.mask_tokens = nn.Embedding(masks, width)
            decoder.hypernetworks = nn.ModuleList(mlp(width, width, fine + 1) for _ in range(masks))
        silent = (network.prompt_encoder.no_mask_embed, network.prompt_encoder.not_a_point_embed)
        for module in (decoder, *silent):
            module.requires_grad_(True)
        new = (decoder.mask_tokens, decoder.hypernetworks)
        self._head = sum(parameter.numel() for module in new for parameter in module.parameters())
        inside = (parameter for module in (decoder, *silent) for parameter in module.parameters())
        self._trained = [*lora.parameters(), *inside]

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return self._trained

    @property
    def head_parameters(self) -> int:
        """How many numbers of the K + 1 masks train."""
        return self._head

    def logits(self, features: dict[str, Tensor]) -> Tensor:
        """What is answered to no prompt at all: (B, K + 1, h, w)."""
        count = len(next(iter(features.values())))
        nothing = torch.zeros(count, 0, 2), torch.zeros(count, 0)
        return self._asked.decode(features, *nothing, torch.full((count, 4), torch.nan), None)[0]
