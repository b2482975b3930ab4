"""U-Net baseline of the semantic head: the same slices and augmentation, for as many steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from sam_infer.arrays import UInt8Array
from sam_infer.automatic.semantic import likeliest_label
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Backbone
from sam_infer.networks.frame import resize_pixels, whole
from sam_infer.networks.semantic_head import PICTURE_MEAN, PICTURE_STD, picture_of
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_loss import semantic_loss
from sam_trainer.optimizer import PlainAdamW
from sam_trainer.training.precision import on_cpu
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

    def train(self, batches: SemanticBatches, steps: int, images: int, seed: int) -> None:
        """`steps` batches of `images` slices."""
        optimizer = PlainAdamW(self.network.parameters(), RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98))
        schedule = Schedule(0.4, 10)
        self.network.train()
        for step in range(steps):
            batch = batches.draw(None, images, np.random.default_rng((seed, step)))
            for group in optimizer.param_groups:
                group["lr"] = RATE * schedule.factor(step, step / steps)
            with on_cpu():  # as the adapters are trained
                logits = self._logits(batch.pictures)
            loss = semantic_loss(logits.float(), batch.numbers, batch.known)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
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
