"""U-Net baseline of the semantic head: the same slices and augmentation, for as long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from sam_infer.arrays import UInt8Array
from sam_infer.automatic.semantic import likeliest_label
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Backbone
from sam_infer.networks.frame import resize_pixels, whole
from sam_infer.networks.precision import BFLOAT16
from sam_infer.networks.semantic_head import PICTURE_MEAN, PICTURE_STD, picture_of
from sam_trainer.config import TrainConfig
from sam_trainer.lessons.semantic_batches import SemanticBatch, SemanticBatches
from sam_trainer.lessons.semantic_loss import semantic_loss
from sam_trainer.optimizer import PlainAdamW
from sam_trainer.training.schedule import Schedule

# About as many parameters as `tiny` with its semantic head.
CHANNELS, STRIDES = (24, 48, 96, 192, 320), (2, 2, 2, 2)
RESIDUAL_UNITS = 2

RATE, WEIGHT_DECAY = 2e-3, 0.01


class UNetNamer:
    """A U-Net that was trained from nothing, asked like the semantic head: through the same frames and windows."""

    def __init__(self, labels: Sequence[str], backbone: Backbone, seed: int) -> None:
        self.labels = tuple(labels)
        self._backbone = backbone  # for its frames only
        from monai.networks.nets import UNet  # all of monai: only who trains one waits for it

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network: nn.Module = UNet(
                spatial_dims=2,
                in_channels=3,
                out_channels=len(labels),
                channels=CHANNELS,
                strides=STRIDES,
                num_res_units=RESIDUAL_UNITS,
            )

    @property
    def parameters(self) -> int:
        """How many numbers train."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    def train(self, batches: SemanticBatches, config: TrainConfig) -> None:
        """As many batches as the config has steps."""

        def loss(batch: SemanticBatch) -> Tensor:
            return semantic_loss(self._logits(batch.pictures).float(), batch.numbers, batch.known)

        self.network.train()
        draw = partial(batches.draw, None, config.semantic_images)
        train_namer(list(self.network.parameters()), loss, draw, config)
        self.network.eval()

    @torch.inference_mode()
    def __call__(self, volume: Volume, view: SliceView) -> UInt8Array:
        """Numbers (H, W) of the likeliest labels on a slice, from 1."""
        frame = self._backbone.frame(whole(view.height, view.width), view.pixel_mm)
        pixels = resize_pixels(choose_window(volume).apply(frame.cut(volume.pixels(view))), frame)
        logits = self._logits(picture_of(pixels, frame.input_size)[None])[0].numpy()
        return likeliest_label(logits, frame)[0]

    def _logits(self, pictures: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.network((pictures - PICTURE_MEAN) / PICTURE_STD)
        return answer


def train_namer(
    parameters: Sequence[nn.Parameter],
    loss: Callable[[SemanticBatch], Tensor],
    draw: Callable[[np.random.Generator], SemanticBatch],
    config: TrainConfig,
) -> None:
    """The loop of a network that names labels by itself: batches that seed and step decide, and one rate for all."""
    optimizer = PlainAdamW(parameters, RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98))
    schedule = Schedule(0.4, 10)
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * schedule.factor(step, step / config.steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == BFLOAT16):  # as adapters are trained
            found = loss(draw(np.random.default_rng((config.seed, step))))
        found.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
