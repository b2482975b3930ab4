"""Loss function of the semantic head for partial labels: Dice and cross entropy where labels are known."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def semantic_loss(logits: Tensor, numbers: Tensor, known: Tensor) -> Tensor:
    """Dice plus cross entropy of logits (B, L, h, w) with label numbers (B, S, S), S a multiple of h.

    Labels compete with each other and with "none of them", whose logit is 0. `known` (B, L) says where the absence of
    a label means that it is not there. Elsewhere an unlabelled pixel may be that label as well as none: only the sum
    of both is asked for. Dice is taken over the batch, of the labels that the batch shows.
    """
    coverage = label_coverage(numbers, logits.shape[1], logits.shape[-1])
    every = F.log_softmax(F.pad(logits, (0, 0, 0, 0, 0, 1)), dim=1)
    named, none = every[:, :-1], every[:, -1]
    unknown = ~known[:, :, None, None]
    perhaps = named.masked_fill(~unknown, -torch.inf)
    nothing = torch.logsumexp(torch.cat([none[:, None], perhaps], dim=1), dim=1)
    entropy = -(coverage * named).sum(dim=1) - (1 - coverage.sum(dim=1)) * nothing
    return entropy.mean() + _dice(named.exp(), coverage, known)


def _dice(p: Tensor, coverage: Tensor, known: Tensor) -> Tensor:
    """Mean over the labels that the batch shows; only where they are known."""
    weight = known.to(p.dtype)[:, :, None, None]
    overlap = (2 * p * coverage * weight).sum((0, 2, 3))
    total = ((p + coverage) * weight).sum((0, 2, 3))
    shown = (coverage * weight).sum((0, 2, 3)) > 0
    return (1 - (overlap + 1) / (total + 1))[shown].sum() / shown.sum().clamp(min=1)


def label_coverage(numbers: Tensor, labels: int, side: int) -> Tensor:
    """The share (B, labels, side, side) of every pixel that each label covers, of numbers (B, S, S) from 1."""
    one_hot = F.one_hot(numbers, labels + 1)[..., 1:].permute(0, 3, 1, 2).float()
    return F.avg_pool2d(one_hot, one_hot.shape[-1] // side)
