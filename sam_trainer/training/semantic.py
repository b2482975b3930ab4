"""Trains the semantic head beside an adaptation: parameters for the optimiser, a loss per step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sam_infer.networks.naming.semantic_head import SEMANTIC, SemanticHead, taps_of
from sam_trainer.errors import TrainingError
from sam_trainer.lessons.semantic_batches import SemanticBatches
from sam_trainer.lessons.semantic_loss import semantic_loss
from sam_trainer.methods.trainable import Trainable
from sam_trainer.training.whole_network import WholeNetwork


class SemanticTraining(WholeNetwork):
    """A head under training; see `Adaptation`. With other labels than an earlier one it is another head.

    One that is not `tapped` sees the picture only: what the network's embedding is good for is measured by that.
    """

    def __init__(self, labels: Sequence[str], batches: SemanticBatches, seed: int, tapped: bool = True) -> None:
        self._batches = batches
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        taps = taps_of(batches.blank_features()) if tapped else {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.head = SemanticHead(labels, taps).to(self._device).train()
        super().__init__(self.head)

    def loss(self, network: Trainable | None, images: int, rng: np.random.Generator, alone: bool = False) -> Tensor:
        """The loss of one batch; its gradient reaches the head and, unless `alone`, the encoder where that trains.

        Where features are remembered no network is needed.
        """
        with torch.set_grad_enabled(not alone):
            batch = self._batches.draw(network, images, rng)
        features = {name: maps.to(self._device) for name, maps in batch.features.items()}
        logits = self.head(batch.pictures.to(self._device), features)
        return semantic_loss(logits.float(), batch.numbers.to(self._device), batch.known.to(self._device)).cpu()

    def tensors(self) -> dict[str, Tensor]:
        """What is kept, by its name in an adapter's file."""
        return self.head.tensors()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` gave."""
        mine = {name: value for name, value in tensors.items() if name.startswith(f"{SEMANTIC}/")}
        found = SemanticHead.of(mine)
        if found is None or found.labels != self.head.labels:
            raise TrainingError("the stored training knows other labels: start a new one", "resume")
        self.head.load_state_dict(found.state_dict())
