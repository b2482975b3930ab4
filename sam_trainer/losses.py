"""What the decoder is trained on: every candidate's overlap, the best candidate only, and honest scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Losses:
    """Means over the objects of a batch."""

    mask: Tensor
    score: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.mask + self.score


def mask_losses(logits: Tensor, coverage: Tensor) -> Tensor:
    """Soft Dice plus cross entropy in units of the object's area: (N, M, h, w) and (N, h, w) in 0..1 to (N, M)."""
    target = coverage[:, None]
    p = torch.sigmoid(logits)
    overlap = 2 * (p * target).sum((-2, -1)) + 1
    dice = 1 - overlap / (p.square().sum((-2, -1)) + target.square().sum((-2, -1)) + 1)
    entropy = F.binary_cross_entropy_with_logits(logits, target.expand_as(logits), reduction="none").sum((-2, -1))
    # the constant keeps objects of a few pixels from dominating
    return dice + entropy / (2 * target.sum((-2, -1)) + 16)


def true_iou(logits: Tensor, coverage: Tensor) -> Tensor:
    """IoU (N, M) of the masks that logits (N, M, h, w) mean with coverage (N, h, w) cut at one half."""
    answer, truth = logits > 0, coverage[:, None] > 0.5
    union = (answer | truth).sum((-2, -1))
    return (answer & truth).sum((-2, -1)) / union.clamp(min=1)


def prompt_losses(logits: Tensor, scores: Tensor, coverage: Tensor, ambiguous: Tensor) -> Losses:
    """SAM's rule on logits and scores (N, 4), coverage (N, h, w), ambiguous (N,) bool.

    An ambiguous prompt trains the best of candidates 1 to 3, a clear one candidate 0; the other kind follows at a
    lower weight, so that no candidate is left untrained.
    """
    each = mask_losses(logits, coverage)
    clear, best = each[:, 0], each[:, 1:].min(dim=1).values
    weight = torch.where(ambiguous, 0.3, 1.0)
    mask = (weight * clear + (1.3 - weight) * best).mean()
    score = F.mse_loss(scores, true_iou(logits.detach(), coverage).float())
    return Losses(mask, score)
