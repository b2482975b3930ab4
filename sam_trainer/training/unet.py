"""Trains a U-Net beside the semantic head, on the same slices: its rival for naming labels without a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sam_infer.networks.naming.unet import UNet, unet_part
from sam_trainer.errors import TrainingError
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_loss import semantic_loss
from sam_trainer.methods.trainable import Trainable
from sam_trainer.training.whole_network import WholeNetwork


class UNetTraining(WholeNetwork):
    """A U-Net under training; see `Adaptation`. Its slices are moved and recoloured whatever the method."""

    def __init__(self, labels: Sequence[str], batches: SemanticBatches, seed: int) -> None:
        self._batches = batches
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.unet = UNet(labels).to(self._device).train()
        super().__init__(self.unet)

    def loss(self, network: Trainable | None, images: int, rng: np.random.Generator, alone: bool = True) -> Tensor:
        """The loss of one batch; the network beside it is not asked."""
        batch = self._batches.draw(None, images, rng)
        logits = self.unet(batch.pictures.to(self._device))
        return semantic_loss(logits.float(), batch.numbers.to(self._device), batch.known.to(self._device)).cpu()

    def tensors(self) -> dict[str, Tensor]:
        """What is kept, by its name in an adapter's file."""
        return self.unet.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        found = UNet.of(unet_part(tensors))
        if found is None or found.labels != self.unet.labels:
            raise TrainingError("the stored training knows other labels: start a new one", "resume")
        self.unet.load_state_dict(found.state_dict())


@dataclass(frozen=True)
class Rival:
    """The U-Net that trains along, and who says how good a version of it is by itself."""

    training: UNetTraining
    validate: Callable[[dict[str, Tensor]], float]  # its tensors to a mean Dice of labels
