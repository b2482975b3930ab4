"""The share is found on labels that were accepted, and is the network's own until there are five of them."""

from __future__ import annotations

import numpy as np

from sam_trainer.online.fusion import LAST, SHARES, curve, fused, share_of


def line(best: float, gain: float = 0.1) -> np.ndarray:
    """Dice by share: highest at `best`."""
    return 0.8 + gain * (1 - np.abs(SHARES - best)) - gain * best


def test_with_fewer_than_five_labels_and_without_gain_the_network_answers_alone() -> None:
    alone = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    assert fused(alone, -alone, 1.0) is alone
    assert share_of([line(0.3)] * (LAST - 1)) == 1.0
    assert share_of([np.full(21, 0.9)] * LAST) == 1.0
    assert share_of([line(0.3, 0.001)] * LAST) == 1.0


def test_the_share_is_best_for_the_last_five_together() -> None:
    assert round(share_of([line(0.9)] * 3 + [line(0.3)] * LAST), 2) == 0.3
    lucky = line(0.0)  # one label alone would leave the network no say
    assert share_of([lucky, *[line(0.6, 0.5)] * 4]) > 0.5


def test_dice_by_share_ends_with_that_of_the_network() -> None:
    truth = np.zeros((4, 4), bool)
    truth[:2] = True
    alone, learned = np.full((4, 4), -1.0, np.float32), np.where(truth, 2.0, -2.0).astype(np.float32)
    found = curve(alone, learned, truth)
    assert found[0] == 1.0 and found[-1] == 0.0 and (np.diff(found) <= 0).all()
