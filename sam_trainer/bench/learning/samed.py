"""SAMed's head as a baseline of ours: K + 1 masks of the mask decoder compete by softmax for every pixel.

The loss is SAMed's (arXiv 2304.13785), 0.2 of cross entropy and 0.8 of Dice at the decoder's resolution, where
unlabelled pixels are background, known or not. Optimiser and schedule are those of the U-Net beside it: SAMed's own are
made for two hundred epochs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam_infer.arrays import UInt8Array
from sam_infer.automatic.semantic import likeliest_label
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.models.load import BaseNetwork
from sam_infer.networks.frame import whole
from sam_infer.slices.slice_stack import slice_stack
from sam_trainer.bench.learning.unet import train_namer
from sam_trainer.config import TrainConfig
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.methods.samed import Samed
from sam_trainer.methods.trainable import trainable
from sam_trainer.training.whole_network import RATE

ENTROPY, OVERLAP = 0.2, 0.8


class SamedNamer:
    """A network whose mask decoder names labels; its numbers are places in `labels`, from 1."""

    def __init__(self, base: BaseNetwork, labels: Sequence[str], seed: int) -> None:
        self.labels = tuple(labels)
        self._backbone = base.backbone()  # for its frames only
        self._asked = trainable(base)
        self._samed = Samed(self._asked, len(labels), RATE, seed)

    @property
    def head_parameters(self) -> int:
        """How many numbers of the K + 1 masks train."""
        return self._samed.head_parameters

    @property
    def parameters(self) -> int:
        """How many others of the network train."""
        return sum(parameter.numel() for parameter in self._samed.parameters()) - self.head_parameters

    def train(self, batches: SemanticBatches, config: TrainConfig) -> None:
        """As many batches as the config has steps."""

        def loss(rng: np.random.Generator) -> Tensor:
            batch = batches.draw(self._asked, config.semantic_images, rng)
            return samed_loss(self._samed.logits(dict(batch.features)), batch.numbers)

        train_namer(self._samed.parameters(), loss, config)

    @torch.inference_mode()
    def __call__(self, volume: Volume, view: SliceView) -> UInt8Array:
        """Numbers (H, W) of the likeliest labels on a slice, from 1."""
        frame = self._backbone.frame(whole(view.height, view.width), view.pixel_mm)
        stack = slice_stack(volume, view, choose_window(volume), frame, self._backbone.depth)
        logits = self._samed.logits(self._asked.encode(self._asked.image(stack)[None]))[0]
        return likeliest_label((logits[1:] - logits[:1]).numpy(), frame)[0]


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
