"""Consensus of several readers, as a proposal that somebody decides about: by majority, or by STAPLE.

Majority: what more than half of the readers marked. STAPLE (Warfield 2004) weighs readers by how well each agrees with
what all of them make likely; of few it comes to trust one alone, so it is proposed where there are five or more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sam_infer.arrays import BoolArray, Float64Array, UInt8Array
from sam_infer.imaging.volume import Mask
from sam_trainer.errors import TrainingError
from sam_trainer.labels.readings import SideBySide

MAJORITY, STAPLE = "majority", "staple"

# STAPLE: steps at most, and the change below which it has settled. Ten readers are a thousand patterns of votes.
STEPS, SETTLED, MOST_READERS = 2000, 1e-9, 10

# So many readers tell each other's faults; three that err at random by 2, 5 and 30 % of voxels are better counted.
ENOUGH = 5

_START, _EDGE = 0.99999, 1e-12


def proposed_by(readers: int) -> str:
    """Which consensus is proposed."""
    return STAPLE if readers >= ENOUGH else MAJORITY


def consensus(readings: SideBySide, way: str) -> Mask:
    """What readers agree on, with the values of `readings.names`."""
    if way not in _LIKELY:
        raise TrainingError(f"a consensus is by {' or '.join(_LIKELY)}, got {way[:20]!r}", "choice")
    if len(readings.masks) > MOST_READERS:
        raise TrainingError(f"a consensus is of {MOST_READERS} readers at most", "choice")
    parts = readings.parts
    found, best = np.zeros(parts[0].shape, np.uint8), np.full(parts[0].shape, 0.5)
    for value in range(1, len(readings.names) + 1):
        likely = _LIKELY[way]([part == value for part in parts])
        better = likely > best  # of two labels at one place the likelier one stays
        found[better], best[better] = value, likely[better]
    return readings.whole(found)


def majority(votes: Sequence[BoolArray]) -> Float64Array:
    """The share of readers who marked a place."""
    return np.asarray(np.mean([vote.astype(np.float64) for vote in votes], axis=0))


def staple(votes: Sequence[BoolArray]) -> Float64Array:
    """How likely each place belongs to the structure, by expectation and maximisation.

    Places with the same votes are as likely as each other: a few patterns are weighed instead of all voxels.
    """
    code = sum(vote.astype(np.int64) << n for n, vote in enumerate(votes))
    counts = np.bincount(np.asarray(code).ravel(), minlength=1 << len(votes)).astype(np.float64)
    voted = (np.arange(len(counts))[:, None] >> np.arange(len(votes))) & 1  # pattern, reader
    prior = float((counts @ voted).sum() / (len(votes) * counts.sum()))
    hit, silent = np.full(len(votes), _START), np.full(len(votes), _START)  # sensitivity, specificity
    likely = np.zeros(len(counts))
    for _ in range(STEPS):
        before = likely
        inside = prior * np.where(voted, hit, 1 - hit).prod(axis=1)
        outside = (1 - prior) * np.where(voted, 1 - silent, silent).prod(axis=1)
        likely = inside / np.maximum(inside + outside, _EDGE)
        hit = (counts * likely) @ voted / max(float(counts @ likely), _EDGE)
        silent = (counts * (1 - likely)) @ (1 - voted) / max(float(counts @ (1 - likely)), _EDGE)
        if np.abs(likely - before).max() < SETTLED:
            break
    return np.asarray(likely[code])


_LIKELY: dict[str, Callable[[Sequence[BoolArray]], Float64Array]] = {MAJORITY: majority, STAPLE: staple}


def difference(readings: SideBySide, first: int, second: int) -> Mask:
    """Where two versions differ: 1 is the same label in both, 2 the first alone, 3 the second alone, 4 another."""
    one, other = (readings.parts[readings.versions.index(version)] for version in (first, second))
    found: UInt8Array = np.zeros(one.shape, np.uint8)
    for value, there in ((4, (one > 0) & (other > 0)), (2, (one > 0) & (other == 0)), (3, (one == 0) & (other > 0))):
        found[there] = value
    found[(one == other) & (one > 0)] = 1
    return readings.whole(found)
