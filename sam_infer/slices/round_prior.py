"""Round things in boxes: how far the answer to a box is drawn to the ellipse of that box.

Most of what is outlined in radiology is round, and whoever draws a box around it has told its size and its place. A
network that has found nearly that ellipse is believed less than the ellipse where an edge is faint or something runs
across; one that has found something else is left alone. How much, is learned on procedural scenes
(`sam_trainer/pretraining/train_round_prior.py`) and said in the model's manifest.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sam_infer.arrays import Float32Array
from sam_infer.masks.overlap import overlap
from sam_infer.networks.backbone import Candidates, Hints
from sam_infer.networks.frame import Frame
from sam_infer.weights.prompting import RoundPrior

# An ellipse as logits: this steep across its edge, in radii, and never more certain than this.
STEEPNESS, CERTAIN = 20.0, 6.0

# What has less Dice with the ellipse is not round.
ROUND = 0.7

# The logarithm of the ellipse's weight stays between these.
LEAST, MOST = -8.0, 2.0


def rounded(candidates: Candidates, hints: Hints, frame: Frame, prior: RoundPrior) -> Candidates:
    """The candidates with the preferred one drawn to the ellipse of the box in `hints`."""
    number = candidates.preferred
    found = candidates.logits[number]
    ellipse = ellipse_logits(hints, frame, found.shape[-1])
    weight = prior_weight(agreement(found, ellipse), float(candidates.scores[number]), prior)
    logits = candidates.logits.copy()
    logits[number] = found + np.float32(weight) * ellipse
    return replace(candidates, logits=logits)


def prior_weight(alike: float, score: float, prior: RoundPrior) -> float:
    """How much the ellipse counts where the network's answer is so much `alike`, and has so high a score."""
    if alike < ROUND:
        return 0.0
    return math.exp(min(max(prior.base + prior.agreement * alike + prior.score * score, LEAST), MOST))


def agreement(logits: Float32Array, ellipse: Float32Array) -> float:
    """Dice of the two masks."""
    return overlap(logits > 0, ellipse > 0)


def ellipse_logits(hints: Hints, frame: Frame, side: int) -> Float32Array:
    """The ellipse that touches the edges of the box, as logits (side, side) on the grid of masks."""
    if hints.box_xyxy is None:
        raise ValueError("there is no box")
    x0, y0, x1, y1 = (float(value) for value in hints.box_xyxy)
    if frame.convention == "centre":
        rows, cols = (y0 + 0.5, y1 + 0.5), (x0 + 0.5, x1 + 0.5)
    else:  # SAM's boxes hold scaled indices: the last row and column are inside
        scale_y, scale_x = frame.scale_yx
        rows, cols = (y0, y1 + scale_y), (x0, x1 + scale_x)
    down, across = (_from_centre(*edges, side, frame.input_size) for edges in (rows, cols))
    distance = np.sqrt(down[:, None] ** 2 + across[None] ** 2)
    logits: Float32Array = np.clip((1.0 - distance) * STEEPNESS, -CERTAIN, CERTAIN).astype(np.float32)
    return logits


def _from_centre(low: float, high: float, side: int, size: int) -> Float32Array:
    """Where the grid's pixels lie along one edge of the box: -1 and 1 are its ends."""
    places = (np.arange(side, dtype=np.float32) + 0.5) * (size / side)
    return (places - (low + high) / 2) / max((high - low) / 2, 1e-3)
