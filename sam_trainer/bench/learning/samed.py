"""SAMed's head as a baseline (arXiv 2304.13785): the mask decoder, never prompted, gives a mask per label and one more.

Low-rank changes of q and v in the encoder, the mask decoder and what the prompt encoder says when nothing is prompted
train together; the K + 1 masks compete by softmax, against 0.2 of cross entropy and 0.8 of Dice at the decoder's
resolution. Unlabelled pixels are background there, known or not. Optimiser and schedule are those of the U-Net beside
it: SAMed's own are made for two hundred epochs. Measured only; no server offers it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.arrays import UInt8Array
from sam_infer.automatic.semantic import likeliest_label
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.models.load import BaseNetwork
from sam_infer.networks.frame import whole
from sam_infer.networks.layers import mlp
from sam_infer.networks.tiny.model import TinySam
from sam_infer.slices.slice_stack import slice_stack
from sam_trainer.bench.learning.unet import RATE, train_namer
from sam_trainer.config import TrainConfig
from sam_trainer.errors import TrainingError
from sam_trainer.lessons.semantic_batches import SemanticBatch, SemanticBatches
from sam_trainer.methods.lora import Lora
from sam_trainer.methods.trainable import trainable

RANK, TARGETS = 4, ("q", "v")

ENTROPY, OVERLAP = 0.2, 0.8


class SamedNamer:
    """A network whose mask decoder names labels; its numbers are places in `labels`, from 1."""

    def __init__(self, base: BaseNetwork, labels: Sequence[str], seed: int) -> None:
        self.labels = tuple(labels)
        self._backbone = base.backbone()  # for its frames only
        self._asked = trainable(base)
        network = self._asked.network
        if not isinstance(network, TinySam):
            raise TrainingError(f"samed is measured with tiny, not with {base.name}", "methods")
        network.requires_grad_(False)
        decoder, width = network.mask_decoder, network.mask_decoder.mask_tokens.embedding_dim
        fine = network.mask_decoder.draw.out_channels
        lora = Lora(network, RANK, TARGETS, RATE, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            decoder.mask_tokens = nn.Embedding(len(labels) + 1, width)
            decoder.hypernetworks = nn.ModuleList(mlp(width, width, fine + 1) for _ in range(len(labels) + 1))
        silent = (network.prompt_encoder.no_mask_embed, network.prompt_encoder.not_a_point_embed)
        for module in (decoder, *silent):
            module.requires_grad_(True)
        self._head = [*decoder.mask_tokens.parameters(), *decoder.hypernetworks.parameters()]
        named = {id(p): p for module in (decoder, *silent) for p in module.parameters()}
        self._trained: list[nn.Parameter] = [*lora.parameters(), *named.values()]

    @property
    def head_parameters(self) -> int:
        """How many numbers of the K + 1 masks train."""
        return sum(parameter.numel() for parameter in self._head)

    @property
    def parameters(self) -> int:
        """How many others of the network train."""
        return sum(parameter.numel() for parameter in self._trained) - self.head_parameters

    def train(self, batches: SemanticBatches, config: TrainConfig) -> None:
        """As many batches as the config has steps."""

        def loss(batch: SemanticBatch) -> Tensor:
            return samed_loss(self._logits(dict(batch.features)).float(), batch.numbers)

        train_namer(self._trained, loss, lambda rng: batches.draw(self._asked, config.semantic_images, rng), config)

    @torch.inference_mode()
    def __call__(self, volume: Volume, view: SliceView) -> UInt8Array:
        """Numbers (H, W) of the likeliest labels on a slice, from 1."""
        frame = self._backbone.frame(whole(view.height, view.width), view.pixel_mm)
        stack = slice_stack(volume, view, choose_window(volume), frame, self._backbone.depth)
        logits = self._logits(self._asked.encode(self._asked.image(stack)[None]))[0].float()
        return likeliest_label((logits[1:] - logits[:1]).numpy(), frame)[0]

    def _logits(self, features: dict[str, Tensor]) -> Tensor:
        """Logits (B, K + 1, h, w); the first is that of the background."""
        count = len(next(iter(features.values())))
        nothing = torch.zeros(count, 0, 2), torch.zeros(count, 0)
        return self._asked.decode(features, *nothing, torch.full((count, 4), torch.nan), None)[0]


def samed_loss(logits: Tensor, numbers: Tensor) -> Tensor:
    """Cross entropy and Dice of logits (B, K + 1, h, h) with label numbers (B, S, S), 0 for the background."""
    step = numbers.shape[-1] // logits.shape[-1]
    target = numbers[:, step // 2 :: step, step // 2 :: step]
    one_hot = F.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2).float()
    p = torch.softmax(logits, dim=1)
    overlap = (p * one_hot).sum((0, 2, 3))
    total = p.square().sum((0, 2, 3)) + one_hot.square().sum((0, 2, 3))
    dice = 1 - (2 * overlap + 1e-5) / (total + 1e-5)
    return ENTROPY * F.cross_entropy(logits, target) + OVERLAP * dice.mean()
