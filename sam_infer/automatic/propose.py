"""Unprompted mask proposals on a slice: a grid of clicks, ranked by predicted IoU, duplicates suppressed.

A grid of single clicks asks the network everywhere. What it is most sure of comes first; a region that mostly repeats
a better one is dropped. Nothing here knows anatomy: regions have an order, not a meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import FOREGROUND, Prompts
from sam_infer.slices.predictor import Prediction

# Clicks per side of the grid.
GRID = 8

# Below, noise; above, the whole body or the air around it.
SMALLEST_SHARE, LARGEST_SHARE = 0.001, 0.5

# A region keeps its place when at least this share of it is not yet taken.
NEW_SHARE = 0.7


@dataclass(frozen=True, eq=False)
class Proposal:
    """A region (H, W) of a slice in display orientation, and how sure the network is of it."""

    pixels: BoolArray
    quality: float  # predicted IoU times stability


def propose(
    volume: Volume, view: SliceView, count: int, predict: Callable[[Prompts], Prediction], grid: int = GRID
) -> list[Proposal]:
    """At most `count` regions that do not overlap, surest first; `predict` answers one click on this slice."""
    if count < 1:
        raise PromptError("there is no label to propose a region for", "labels")
    found = [_proposal(predict(prompts)) for prompts in clicks_on(volume, view, grid)]
    area = view.height * view.width
    fitting = [p for p in found if SMALLEST_SHARE * area <= p.pixels.sum() <= LARGEST_SHARE * area]
    taken = np.zeros((view.height, view.width), bool)
    kept: list[Proposal] = []
    for proposal in sorted(fitting, key=lambda p: -p.quality):
        fresh = proposal.pixels & ~taken
        if fresh.sum() < NEW_SHARE * proposal.pixels.sum():
            continue
        kept.append(Proposal(fresh, proposal.quality))
        taken |= fresh
        if len(kept) == count:
            break
    return kept


def clicks_on(volume: Volume, view: SliceView, grid: int) -> Iterator[Prompts]:
    """One click in the middle of each cell, where there is anything to see."""
    pixels = volume.pixels(view)
    lowest = pixels.min()
    rows = ((np.arange(grid) + 0.5) * view.height / grid).astype(int)
    cols = ((np.arange(grid) + 0.5) * view.width / grid).astype(int)
    for row in np.unique(rows):
        for col in np.unique(cols):
            if np.any(pixels[row, col] > lowest):
                point = np.rint(view.to_stored([[row, col]])).astype(np.int64)
                yield Prompts(view.axis, point, np.array([FOREGROUND]))


def _proposal(prediction: Prediction) -> Proposal:
    return Proposal(prediction.pixels, prediction.score * prediction.stability)
