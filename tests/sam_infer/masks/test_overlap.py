"""Dice of two masks."""

from __future__ import annotations

import numpy as np

from sam_infer.masks.overlap import overlap


def test_overlap_is_dice_and_nothing_has_nothing_in_common() -> None:
    none, half, full = np.zeros((4, 4), bool), np.zeros((4, 4), bool), np.ones((4, 4), bool)
    half[:2] = True
    assert (overlap(full, full), overlap(half, full), overlap(none, full), overlap(none, none)) == (
        1.0,
        2 / 3,
        0.0,
        0.0,
    )
