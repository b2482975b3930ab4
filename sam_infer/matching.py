"""Everything on a slice, and which of it is meant: a gallery of masks matched to what was known before.

A network's own opinion ranks masks by how clean they are, not by what they show. So each label takes the mask of the
gallery that overlaps best with a prior: an earlier label, the mask of the neighbouring slice, a warped atlas. No truth
is involved: a prior is an argument like any other, and where none fits, nothing is proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_infer.automatic import GRID, LARGEST_SHARE, SMALLEST_SHARE, Proposal, clicks_on
from sam_infer.cleanup import stability
from sam_infer.predictor import CLIENT_CANDIDATES, Prediction
from sam_infer.prompts import Prompts
from sam_infer.slice_view import SliceView
from sam_infer.volume import Volume

BoolArray = npt.NDArray[np.bool_]

# Below this quality a mask hangs on the threshold: the grid clicked on an edge or on noise.
LEAST_QUALITY = 0.3

# Below this overlap a mask shows something else than the prior.
LEAST_OVERLAP = 0.25


@dataclass(frozen=True, eq=False)
class Match:
    """The mask (H, W) a label got, and its IoU with the label's prior."""

    pixels: BoolArray
    overlap: float


def gallery(
    volume: Volume, view: SliceView, predict: Callable[[Prompts], Prediction], grid: int = GRID
) -> list[Proposal]:
    """All masks a grid of clicks brings up, every candidate of each click; `predict` answers one click."""
    found = [proposal for prompts in clicks_on(volume, view, grid) for proposal in _candidates(predict(prompts))]
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
