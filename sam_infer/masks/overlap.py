"""How much two masks have in common."""

from __future__ import annotations

from sam_infer.arrays import BoolArray


def overlap(one: BoolArray, other: BoolArray) -> float:
    """Dice of two masks of one shape; two empty ones have nothing in common: 0."""
    both = int(one.sum()) + int(other.sum())
    return 2.0 * int((one & other).sum()) / both if both else 0.0
