"""Simulated click dialogue for training: prompt, answer, correction; training back-propagates through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sam_trainer.lessons.losses import Losses, prompt_losses
from sam_trainer.lessons.prompt_batch import MASK_STRIDE, Batch, pad_clicks, stack_boxes
from sam_trainer.simulation.clicks import Click, Mask, correction_click

# Errors are looked for at half the input's resolution: finer ones are not clicked on.
ERROR_STRIDE = 2


@dataclass
class _Turns:
    """What has been said about every object so far."""

    clicks: list[list[Click]]
    boxes: Tensor  # (N, 4)
    answer: Tensor | None = None  # (N, 1, h, w) logits shown to the reader

    def ambiguous(self, mask: Tensor) -> Tensor:
        """Objects (N,) with one click and nothing else."""
        single = torch.tensor([len(c) == 1 for c in self.clicks]) & self.boxes[:, 0].isnan()
        return single & mask[:, 0, 0, 0].isnan()


class DialogueNetwork(Protocol):
    """What a dialogue asks of a network."""

    def encode(self, images: Tensor, /) -> dict[str, Tensor]:
        """Images (B, 3, S, S) to features."""
        ...

    def decode(
        self, features: Mapping[str, Tensor], points: Tensor, labels: Tensor, boxes: Tensor, mask: Tensor | None, /
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, 4, S/4, S/4) and scores (N, 4)."""
        ...


def hold_dialogue(model: DialogueNetwork, batch: Batch, rng: np.random.Generator, decodes: int = 3) -> list[Losses]:
    """Losses of `decodes` answers to growing prompts, with and without the previous answer as a mask prompt.

    A server replays clicks, each with the answer to those before it, but a whole slice is also asked without one, and
    several points may come at once. So the mask is withheld from half of the answers, and sometimes the same clicks
    come again with it. Where the hint is the mask of the slice before, it stays the mask prompt, whatever is clicked.
    """
    features = model.encode(batch.images)
    copies = len(batch.truth) // len(batch.images)
    features = {name: maps.repeat_interleave(copies, 0) for name, maps in features.items()}
    truth = batch.truth[:, ::ERROR_STRIDE, ::ERROR_STRIDE].numpy()
    turns = _Turns([list(p.clicks) for p in batch.prompts], stack_boxes(batch.prompts))
    losses = []
    for turn in range(decodes):
        if turn and rng.random() < 0.7:
            _correct(turns, truth, int(rng.integers(1, 4)), rng)
        mask = batch.earlier
        if turns.answer is not None:
            withheld = torch.from_numpy(rng.random(len(turns.answer)) < (0.5 if turn < decodes - 1 else 0.2))
            own = torch.where(withheld[:, None, None, None], torch.nan, turns.answer)
            mask = torch.where(batch.earlier.isnan(), own, batch.earlier)
        points, labels = pad_clicks(turns.clicks)
        logits, scores = model.decode(features, points, labels, turns.boxes, mask)
        ambiguous = turns.ambiguous(mask)
        losses.append(prompt_losses(logits, scores, batch.coverage, ambiguous, batch.extent))
        turns.answer = preferred(logits.detach(), scores.detach(), ambiguous)
        if rng.random() < 0.3:
            turns.answer = _coarse(turns.answer, int(rng.choice((2, 4))))
    return losses


def _coarse(answer: Tensor, factor: int) -> Tensor:
    """The answer as a whole slice gives it to a crop: without fine detail."""
    small = F.avg_pool2d(answer, factor)
    return F.interpolate(small, scale_factor=factor, mode="bilinear", align_corners=False)


def preferred(logits: Tensor, scores: Tensor, ambiguous: Tensor) -> Tensor:
    """The model's own choice (N, 1, h, w): the best-scored of candidates 1 to 3 if ambiguous, else candidate 0."""
    best = torch.where(ambiguous, 1 + scores[:, 1:].argmax(dim=1), 0)
    return logits[torch.arange(len(logits)), best][:, None].float()


def _correct(turns: _Turns, truth: Mask, most: int, rng: np.random.Generator) -> None:
    """Up to `most` clicks for every object, each on the largest error that is left after the one before."""
    if turns.answer is None:
        return
    scale = MASK_STRIDE // ERROR_STRIDE
    shown = F.interpolate(turns.answer, scale_factor=scale, mode="bilinear", align_corners=False)[:, 0] > 0
    answers = shown.numpy().astype(np.uint8)
    for clicks, answer, mask in zip(turns.clicks, answers, truth, strict=True):
        for _ in range(rng.integers(1, most + 1)):
            click = correction_click(answer, mask, rng if rng.random() < 0.5 else None)
            if click is None:
                break
            clicks.append(Click(click.x * ERROR_STRIDE, click.y * ERROR_STRIDE, click.label))
            _settle(answer, mask, click)


def _settle(answer: Mask, truth: Mask, click: Click) -> None:
    """Take the neighbourhood of a click as corrected, so that the next one goes elsewhere."""
    reach = max(2, len(answer) // 12)
    rows = slice(max(int(click.y) - reach, 0), int(click.y) + reach + 1)
    cols = slice(max(int(click.x) - reach, 0), int(click.x) + reach + 1)
    answer[rows, cols] = truth[rows, cols]
