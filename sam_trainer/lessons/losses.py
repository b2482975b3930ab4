"""Loss functions of the mask decoder: Dice and cross entropy per candidate, and of its predicted IoU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# IoU differences of this size decide between candidates.
SHARPNESS = 0.1

# Weight of the order of the scores beside their values.
RANKING = 0.1


@dataclass(frozen=True)
class Losses:
    """Means over the objects of a batch."""

    mask: Tensor
    score: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.mask + self.score


def mask_losses(logits: Tensor, coverage: Tensor, extent: Tensor | None = None) -> Tensor:
    """Soft Dice plus cross entropy in units of the object's area: (N, M, h, w) and (N, h, w) in 0..1 to (N, M).

    `extent` (N,) replaces the area where there is no object, but something was asked about.
    """
    target = coverage[:, None]
    p = torch.sigmoid(logits)
    overlap = 2 * (p * target).sum((-2, -1)) + 1
    dice = 1 - overlap / (p.square().sum((-2, -1)) + target.square().sum((-2, -1)) + 1)
    entropy = F.binary_cross_entropy_with_logits(logits, target.expand_as(logits), reduction="none").sum((-2, -1))
    # the constant keeps objects of a few pixels from dominating
    area = target.sum((-2, -1)) if extent is None else extent[:, None]
    return dice + entropy / (2 * area + 16)


def true_iou(logits: Tensor, coverage: Tensor) -> Tensor:
    """IoU (N, M) of the masks that logits (N, M, h, w) mean with coverage (N, h, w) cut at one half."""
    answer, truth = logits > 0, coverage[:, None] > 0.5
    union = (answer | truth).sum((-2, -1))
    return (answer & truth).sum((-2, -1)) / union.clamp(min=1)


def prompt_losses(
    logits: Tensor, scores: Tensor, coverage: Tensor, ambiguous: Tensor, extent: Tensor | None = None
) -> Losses:
    """SAM's rule on logits and scores (N, 4), coverage (N, h, w), ambiguous (N,) bool, and one thing more.

    An ambiguous prompt trains the best of candidates 1 to 3, a clear one candidate 0; the other kind follows at a
    lower weight, so that no candidate is left untrained. But a reader is shown the candidate with the highest score,
    not the best one: half of the weight of an ambiguous prompt goes to the candidates by their chance of being shown.
    """
    each = mask_losses(logits, coverage, extent)
    best = each[:, 1:].min(dim=1).values
    shown = (each[:, 1:] * F.softmax(scores[:, 1:].detach().float() / SHARPNESS, dim=1)).sum(dim=1)
    unclear = 0.3 * each[:, 0] + 0.5 * best + 0.5 * shown
    mask = torch.where(ambiguous, unclear, each[:, 0] + 0.3 * best).mean()
    truth = true_iou(logits.detach(), coverage).float()
    score = F.mse_loss(scores.float(), truth) + RANKING * (_misranked(scores, truth) * ambiguous).mean()
    return Losses(mask, score)


def _misranked(scores: Tensor, truth: Tensor) -> Tensor:
    """How differently (N,) scores and true IoU order candidates 1 to 3: the divergence of the choices they imply."""
    wanted = F.softmax(truth[:, 1:] / SHARPNESS, dim=1)
    chosen = F.log_softmax(scores[:, 1:].float() / SHARPNESS, dim=1)
    return F.kl_div(chosen, wanted, reduction="none").sum(dim=1)
