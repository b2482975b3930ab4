"""U-Net alone, as a baseline of the few-shot bench: the one that training puts beside the semantic head.

It sees the same slices with the same augmentation, for what the same seconds pay for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sam_infer.arrays import UInt8Array
from sam_infer.automatic.semantic import answer_on
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.networks.backbone import Backbone
from sam_infer.networks.optimizer import PlainAdamW
from sam_infer.networks.runtimes.precision import BFLOAT16
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.config import TrainConfig
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.training.schedule import Schedule
from sam_trainer.training.unet import UNetTraining
from sam_trainer.training.whole_network import RATE

WEIGHT_DECAY = 0.01


class UNetNamer:
    """A U-Net that was trained from nothing, asked like the semantic head: through the same frames and windows."""

    def __init__(self, labels: Sequence[str], backbone: Backbone, batches: SemanticBatches, seed: int) -> None:
        self.labels = tuple(labels)
        self.training = UNetTraining(labels, batches, seed)
        # a backbone for its frames only: nothing is encoded for a U-Net
        self._asked = Predictor(backbone, EmbeddingCache(), semantic=self.training.unet)

    def train(self, config: TrainConfig) -> None:
        """As many batches as the config has steps."""

        def loss(rng: np.random.Generator) -> Tensor:
            return self.training.loss(None, config.semantic_images, rng)

        train_namer(self.training.parameters(), loss, config)
        self.training.unet.eval()

    def __call__(self, volume: Volume, view: SliceView) -> UInt8Array:
        """Numbers (H, W) of the likeliest labels on a slice, from 1."""
        return answer_on(self._asked, volume, view)[0]


def train_namer(
    parameters: Sequence[nn.Parameter], loss: Callable[[np.random.Generator], Tensor], config: TrainConfig
) -> None:
    """The loop of a network that names labels by itself: batches that seed and step decide, and one rate for all."""
    optimizer = PlainAdamW(parameters, RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98))
    schedule = Schedule(0.4, 10)
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * schedule.factor(step, step / config.steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == BFLOAT16):  # as adapters are trained
            found = loss(np.random.default_rng((config.seed, step)))
        found.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
