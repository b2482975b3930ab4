"""How two answers become one: the network's share, found on the last accepted labels.

A share is known for a label only after it was accepted, from answers that were given before it was learned: for each
of 21 shares the Dice that the fused answer would have had. The share in use is the one whose mean over the last five
labels is best; the paper takes the mean of the five best shares, which counts every label's luck. It must win by a
little over the network alone, else the network answers alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array, Float64Array
from sam_infer.slices.refiner import ALONE

# Of the network's logits, 0..1.
SHARES = np.linspace(0.0, 1.0, 21).astype(np.float32)

# Labels that a share is found on; with fewer the network answers alone.
LAST = 5

# Mean Dice by which a share must beat the network alone.
LEAST_GAIN = 0.005


def fused(alone: Float32Array, learned: Float32Array, share: float) -> Float32Array:
    """Logits of both; at `ALONE` the network's, bit by bit."""
    if share == ALONE:
        return alone
    return np.asarray(np.float32(share) * alone + np.float32(1.0 - share) * learned, np.float32)


def curve(alone: Float32Array, learned: Float32Array, truth: BoolArray) -> Float64Array:
    """Dice (21,) of the fused answer with each share."""
    return np.array([_dice(fused(alone, learned, float(share)) > 0, truth) for share in SHARES])


def share_of(curves: Sequence[Float64Array]) -> float:
    """The share of the next answer, given the curves of all labels so far."""
    if len(curves) < LAST:
        return ALONE
    mean = np.mean(curves[-LAST:], axis=0)
    best = len(mean) - 1 - int(np.argmax(mean[::-1]))  # of equal ones the network's larger share
    return float(SHARES[best]) if mean[best] >= mean[-1] + LEAST_GAIN else ALONE


def _dice(answer: BoolArray, truth: BoolArray) -> float:
    total = int(answer.sum()) + int(truth.sum())
    return 2.0 * int((answer & truth).sum()) / total if total else 1.0
