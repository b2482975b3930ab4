"""A training batch: procedural scenes, what to segment in them, and what the reader says first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam_trainer.clicks import Click, FirstPrompt, first_prompt
from sam_trainer.scans.scene import sample

# Side of the model's masks over the side of its input, as in the embedded model.
MASK_STRIDE = 4


@dataclass(frozen=True)
class BatchShape:
    """How much a step sees."""

    side: int = 256
    images: int = 4
    objects: int = 4


@dataclass(frozen=True, eq=False)
class Batch:
    """`images` scenes; the `objects` of one scene follow each other."""

    images: Tensor  # (B, 3, S, S) float 0..255
    truth: Tensor  # (N, S, S) uint8
    coverage: Tensor  # (N, S/4, S/4) float
    prompts: list[FirstPrompt]


def draw_batch(seed: int, index: int, shape: BatchShape) -> Batch:
    """Batch `index` of the sequence that `seed` names."""
    samples = [sample(seed, index * shape.images + i, shape.side, shape.objects) for i in range(shape.images)]
    rng = np.random.default_rng((seed, index, 1))
    truth = np.concatenate([s.masks for s in samples])
    images = np.stack([s.image for s in samples]).transpose(0, 3, 1, 2)
    masks = torch.from_numpy(truth)
    return Batch(
        images=torch.from_numpy(np.ascontiguousarray(images)).float(),
        truth=masks,
        coverage=F.avg_pool2d(masks.float(), MASK_STRIDE),
        prompts=[first_prompt(mask, rng) for mask in truth],
    )


def pad_clicks(clicks: list[list[Click]]) -> tuple[Tensor, Tensor]:
    """Click lists of N objects as points (N, n, 2) and labels (N, n), -1 where there is none."""
    longest = max(1, *(len(c) for c in clicks))
    points = torch.zeros(len(clicks), longest, 2)
    labels = -torch.ones(len(clicks), longest)
    for i, row in enumerate(clicks):
        for j, click in enumerate(row):
            points[i, j] = torch.tensor([click.x, click.y])
            labels[i, j] = click.label
    return points, labels


def stack_boxes(prompts: list[FirstPrompt]) -> Tensor:
    """Boxes (N, 4), NaN where there is none."""
    boxes = np.full((len(prompts), 4), np.nan, np.float32)
    for i, prompt in enumerate(prompts):
        if prompt.box is not None:
            boxes[i] = prompt.box
    return torch.from_numpy(boxes)
