"""Pre-training batch: procedural scenes, the objects to segment in them, and their first prompts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam_trainer.simulation.clicks import Click, FirstPrompt, Mask, first_prompt
from sam_trainer.simulation.previous_slice import neighbour
from sam_trainer.synthetic.scene import sample

# Side of the model's masks over the side of its input, as in the embedded model.
MASK_STRIDE = 4

# How many objects are asked for by their mask on the slice before, and how many of those have ended there.
FOLLOWED, ENDED = 0.14, 0.15

# A cell of a mask is touched from this share on; an object of `LONG` or more such cells is thin when they are filled
# less than `THIN` on average, and is taught as if they were filled by `LIFTED`, but at most `MOST_LIFT` times as much.
TOUCHED, LONG, THIN, LIFTED, MOST_LIFT = 0.08, 24, 0.55, 0.75, 2.2

# How firmly that mask is proposed, as logits.
FIRMNESS = (2.0, 6.0)


@dataclass(frozen=True)
class BatchShape:
    """How much a step sees."""

    side: int = 256
    images: int = 4
    objects: int = 4
    kinds: tuple[str, ...] = ()  # of scenes; none named: all


@dataclass(frozen=True, eq=False)
class Batch:
    """`images` scenes; the `objects` of one scene follow each other."""

    images: Tensor  # (B, 3, S, S) float 0..255
    truth: Tensor  # (N, S, S) uint8
    coverage: Tensor  # (N, S/4, S/4) float
    extent: Tensor  # (N,) size of what is asked about, in pixels of `coverage`: what losses are measured in
    prompts: list[FirstPrompt]
    earlier: Tensor  # (N, 1, S/4, S/4) logits of the mask on the slice before, NaN where there is none


def draw_batch(seed: int, index: int, shape: BatchShape) -> Batch:
    """Batch `index` of the sequence that `seed` names."""
    samples = [
        sample(seed, index * shape.images + i, shape.side, shape.objects, shape.kinds) for i in range(shape.images)
    ]
    rng = np.random.default_rng((seed, index, 1))
    truth = np.concatenate([s.masks for s in samples])
    images = np.stack([s.image for s in samples]).transpose(0, 3, 1, 2)
    prompts = [
        FirstPrompt(neighbour=neighbour(mask, rng)) if rng.random() < FOLLOWED else first_prompt(mask, rng)
        for mask in truth
    ]
    asked = np.array([prompt.neighbour is not None for prompt in prompts])
    extent, whole = _coverage(truth).sum((-2, -1)), truth.copy()
    for i in np.flatnonzero(asked & (rng.random(len(truth)) < ENDED)):
        # what was followed here ends: the image shows something else, and nothing is the right answer
        other = (i + shape.objects) % len(truth)
        if shape.images > 1:
            prompts[i] = FirstPrompt(neighbour=neighbour(whole[other], rng))
            extent[i] = extent[other]
            truth[i] = 0
    return Batch(
        images=torch.from_numpy(np.ascontiguousarray(images)).float(),
        truth=torch.from_numpy(truth),
        coverage=taught_coverage(truth),
        extent=extent,
        prompts=prompts,
        earlier=_earlier(prompts, shape.side // MASK_STRIDE, rng),
    )


def _coverage(masks: Mask) -> Tensor:
    return F.avg_pool2d(torch.from_numpy(masks).float(), MASK_STRIDE)


def taught_coverage(masks: Mask) -> Tensor:
    """Coverage (N, S/4, S/4) as it is asked for: thin objects fill hardly a cell by half, and would be nowhere.

    A mask that is finer than its cells has the best Dice with every cell that it fills by about a third.
    """
    coverage = _coverage(masks)
    touched = coverage > TOUCHED
    cells = touched.sum((-2, -1))
    mean = (coverage * touched).sum((-2, -1)) / cells.clamp(min=1)
    thin = (cells >= LONG) & (mean < THIN)
    lift = torch.where(thin, (LIFTED / mean.clamp(min=1e-3)).clamp(1.0, MOST_LIFT), 1.0)
    return (coverage * lift[:, None, None]).clamp(max=1.0)


def _earlier(prompts: list[FirstPrompt], side: int, rng: np.random.Generator) -> Tensor:
    logits = torch.full((len(prompts), 1, side, side), torch.nan)
    for i, prompt in enumerate(prompts):
        if prompt.neighbour is not None:
            logits[i] = (2 * _coverage(prompt.neighbour[None]) - 1) * float(rng.uniform(*FIRMNESS))
    return logits


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
