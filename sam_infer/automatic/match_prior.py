"""Segments everything on a slice, then matches that gallery of masks to a prior label map by overlap.

A network's own opinion ranks masks by how clean they are, not by what they show. So each label takes the mask of the
gallery that overlaps best with a prior: an earlier label, the mask of the neighbouring slice, a warped atlas. No truth
is involved: a prior is an argument like any other, and where none fits, nothing is proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.automatic.propose import GRID, LARGEST_SHARE, SMALLEST_SHARE, Proposal, clicks_on
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.masks.cleanup2d import stability
from sam_infer.prompts.object_prompts import FOREGROUND, Prompts
from sam_infer.slices.predictor import CLIENT_CANDIDATES, Prediction

# Below this quality a mask hangs on the threshold: the grid clicked on an edge or on noise.
LEAST_QUALITY = 0.3

# Clicks per side of the box around a prior: of an organ of any size, some land where it looks like itself.
CLICKS_PER_PRIOR = 4

# Below this overlap a mask shows something else than the prior.
LEAST_OVERLAP = 0.25


@dataclass(frozen=True, eq=False)
class Match:
    """The mask (H, W) a label got, and its IoU with the label's prior."""

    pixels: BoolArray
    overlap: float


def clicks_near(view: SliceView, priors: Iterable[BoolArray]) -> Iterator[Prompts]:
    """A grid of single clicks over each prior (H, W), where the prior is; a click is given once."""
    seen: set[tuple[int, int]] = set()
    for prior in priors:
        rows, cols = np.flatnonzero(prior.any(axis=1)), np.flatnonzero(prior.any(axis=0))
        if not len(rows):
            continue
        share = (np.arange(CLICKS_PER_PRIOR) + 0.5) / CLICKS_PER_PRIOR
        spots = [
            (int(rows[0] + r * (rows[-1] - rows[0] + 1)), int(cols[0] + c * (cols[-1] - cols[0] + 1)))
            for r in share
            for c in share
        ]
        inside = [spot for spot in spots if prior[spot]] or [_middle(prior)]
        for row, col in dict.fromkeys(inside):
            if (row, col) not in seen:
                seen.add((row, col))
                point = np.rint(view.to_stored([[row, col]])).astype(np.int64)
                yield Prompts(view.axis, point, np.array([FOREGROUND]))


def gallery(
    volume: Volume,
    view: SliceView,
    predict: Callable[[Prompts], Prediction],
    clicks: Iterable[Prompts] | None = None,
) -> list[Proposal]:
    """All masks that clicks bring up, every candidate of each; `predict` answers one click, by default of a grid."""
    asked = clicks_on(volume, view, GRID) if clicks is None else clicks
    found = [proposal for prompts in asked for proposal in _candidates(predict(prompts))]
    area = view.height * view.width
    return [
        proposal
        for proposal in found
        if proposal.quality >= LEAST_QUALITY and SMALLEST_SHARE * area <= proposal.pixels.sum() <= LARGEST_SHARE * area
    ]


def match(proposals: Sequence[Proposal], priors: Mapping[str, BoolArray]) -> dict[str, Match]:
    """One mask per label, best fits first; a mask is given away once, a pixel too.

    Priors are (H, W). Equal fits go to the better mask, then to the earlier label: the result has no chance in it.
    """
    fits = [
        (_iou(proposal.pixels, prior), proposal.quality, -place, number, name)
        for place, (name, prior) in enumerate(priors.items())
        if prior.any()
        for number, proposal in enumerate(proposals)
    ]
    matched: dict[str, Match] = {}
    used: set[int] = set()
    taken = np.zeros(proposals[0].pixels.shape, bool) if proposals else np.zeros((0, 0), bool)
    for overlap, _, _, number, name in sorted(fits, key=lambda fit: (-fit[0], -fit[1], -fit[2], fit[3])):
        if overlap < LEAST_OVERLAP:
            break
        if name in matched or number in used:
            continue
        pixels = proposals[number].pixels & ~taken
        matched[name] = Match(pixels, overlap)
        used.add(number)
        taken |= pixels
    return {name: matched[name] for name in priors if name in matched}


def _middle(mask: BoolArray) -> tuple[int, int]:
    """The pixel of a mask (H, W) that halves it in reading order: inside, whatever the shape."""
    row, col = np.argwhere(mask)[int(mask.sum()) // 2]
    return int(row), int(col)


def _candidates(prediction: Prediction) -> list[Proposal]:
    found = []
    for number in range(min(CLIENT_CANDIDATES, len(prediction.candidates.logits))):
        logits = prediction.candidate_logits(number)
        quality = float(prediction.candidates.scores[number]) * stability(logits)
        found.append(Proposal(logits > 0, quality))
    return found


def _iou(first: BoolArray, second: BoolArray) -> float:
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0
