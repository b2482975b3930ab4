"""Self-prompting heads: linear maps at four scales of an embedding, trained on accepted slices, become a mask prompt.

Each scale (a half, one, two and four times the embedding's side) has a 1x1 convolution to one map per label; the maps
are brought to the side of a mask prompt, added, and what is surely inside is the prompt. Seconds of training: the
embeddings of accepted slices are there, and nothing but four matrices moves. Beside `coarse_map.py`, which is fitted in
closed form and knows places; this one knows looks only, and learns the overlap itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from sam_infer.arrays import BoolArray, Float32Array
from sam_infer.automatic.taught.embedded_slice import EmbeddedSlice, embedding_maps, label_shares
from sam_infer.errors import PromptError
from sam_infer.networks.backbone import Features
from sam_infer.networks.optimizer import PlainAdam

SCALES = (0.5, 1.0, 2.0, 4.0)

# Above this probability a pixel belongs to the prompt.
SURE = 0.95

# Shares of the loss: overlap of each label, and each pixel by how wrong it is.
DICE_SHARE, FOCAL_SHARE, FOCAL_POWER = 0.8, 0.2, 2.0

# Steps over batches of lessons; one order, the same numbers every time.
STEPS, BATCH, RATE = 150, 8, 0.5


@dataclass(frozen=True, eq=False)
class SelfPrompt:
    """The trained heads."""

    side: int  # of the embedding
    low_res: int  # of a mask prompt
    heads: torch.Tensor  # (scales, labels, C)
    spread: torch.Tensor  # (C,) of the embedding's channels over the lessons

    @classmethod
    def learned(cls, labels: int, side: int, low_res: int, lessons: Sequence[EmbeddedSlice]) -> SelfPrompt:
        """Trained on all lessons."""
        if not lessons:
            raise PromptError("there is no accepted case to learn from: accept a label first", "mode")
        looks = torch.stack([embedding_maps(lesson.features, side) for lesson in lessons])
        spread = looks.std(dim=(0, 2, 3))
        spread = torch.where(spread > 1e-6, spread, torch.ones(()))  # the constant stays what it is
        truth = torch.stack([label_shares(lesson.values, labels, low_res) for lesson in lessons])
        heads = torch.zeros(len(SCALES), labels, looks.shape[1], requires_grad=True)
        optimizer = PlainAdam([heads], lr=RATE)
        looks = looks / spread[:, None, None]
        order = torch.Generator().manual_seed(0)
        for _ in range(STEPS):
            batch = torch.randint(len(looks), (min(BATCH, len(looks)),), generator=order)
            loss = _loss(_summed(heads, looks[batch], low_res), truth[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return cls(side, low_res, heads.detach(), spread)

    @torch.inference_mode()
    def of(self, features: Features) -> Float32Array:
        """Where each label is on a new slice: probabilities (labels, low_res, low_res)."""
        looks = embedding_maps(features, self.side) / self.spread[:, None, None]
        found: Float32Array = torch.sigmoid(_summed(self.heads, looks[None], self.low_res)[0]).numpy()
        return found


def surely(maps: Float32Array) -> list[BoolArray]:
    """Of each label's probabilities the part to prompt with; a pixel goes to the surest label."""
    best = maps.argmax(axis=0)
    return [np.asarray((values > SURE) & (best == number)) for number, values in enumerate(maps)]


def _summed(heads: torch.Tensor, looks: torch.Tensor, side: int) -> torch.Tensor:
    """Logits (N, labels, side, side). A 1x1 convolution commutes with enlarging: it is done before, where less is."""
    total = torch.zeros(())
    for scale, head in zip(SCALES, heads, strict=True):
        size = max(1, round(looks.shape[-1] * scale))
        seen = F.interpolate(looks, (size, size), mode="area") if scale < 1 else looks
        maps = torch.einsum("lc,nchw->nlhw", head, seen)
        if scale > 1:
            maps = F.interpolate(maps, (size, size), mode="bilinear", align_corners=False)
        total = total + F.interpolate(maps, (side, side), mode="bilinear", align_corners=False)
    return total


def _loss(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    inside = torch.sigmoid(logits)
    both = (inside * truth).sum(dim=(0, 2, 3))
    dice = 1 - (2 * both + 1) / (inside.sum(dim=(0, 2, 3)) + truth.sum(dim=(0, 2, 3)) + 1)
    wrong = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    focal = ((inside - truth).abs() ** FOCAL_POWER * wrong).mean()
    return DICE_SHARE * dice.mean() + FOCAL_SHARE * focal
