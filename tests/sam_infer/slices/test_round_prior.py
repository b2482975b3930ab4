"""Answers to boxes are drawn to the ellipse of the box, as far as the manifest says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam_infer.networks.backbone import Candidates, Hints
from sam_infer.networks.frame import Frame, whole
from sam_infer.slices.round_prior import agreement, ellipse_logits, prior_weight, rounded
from sam_infer.weights.prompting import RoundPrior

FRAME = Frame(whole(128, 128), 256, 256, 256)
LOW, HIGH = np.array([32.0, 16.0]), np.array([95.0, 111.0])


def boxed(frame: Frame) -> Hints:
    return Hints(np.zeros((0, 2), np.float32), np.zeros(0, np.int64), frame.box_to_model(LOW, HIGH))


@pytest.mark.parametrize("convention", ["centre", "sam"])
def test_the_ellipse_touches_the_edges_of_the_box_in_every_convention(convention: str) -> None:
    frame = replace(FRAME, convention=convention)
    inside = ellipse_logits(boxed(frame), frame, 64) > 0
    rows, cols = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert (rows[0], rows[-1], cols[0], cols[-1]) == (16, 47, 8, 55)
    assert inside.sum() == pytest.approx(np.pi / 4 * 32 * 48, rel=0.02)


def test_an_answer_near_the_ellipse_is_drawn_to_it_and_another_is_left_alone() -> None:
    hints, prior = boxed(FRAME), RoundPrior(base=-20.0, agreement=20.0, score=0.0)
    ellipse = ellipse_logits(hints, FRAME, 64)
    dented = np.where(ellipse > 0, 1.0, -1.0).astype(np.float32)
    dented[30:34, 8:18] = -0.5
    other = np.full((64, 64), -1.0, np.float32)
    other[16:24, 8:56] = 1.0
    logits = np.stack([dented, other, dented, other])
    near = rounded(Candidates(logits, np.full(4, 0.8), 2), hints, FRAME, prior)
    assert agreement(near.logits[2], ellipse) > agreement(dented, ellipse) + 0.01
    assert np.array_equal(near.logits[[0, 1, 3]], logits[[0, 1, 3]]) and near.preferred == 2
    far = rounded(Candidates(logits, np.full(4, 0.8), 3), hints, FRAME, prior)
    assert np.array_equal(far.logits[3] > 0, other > 0)


def test_the_weight_follows_the_manifest_within_bounds() -> None:
    prior = RoundPrior(base=-10.0, agreement=10.0, score=-2.0)
    assert prior_weight(0.9, 0.5, prior) > prior_weight(0.8, 0.5, prior) > prior_weight(0.8, 0.9, prior)
    assert prior_weight(1.0, -50.0, prior) == pytest.approx(np.exp(2.0))
    assert agreement(np.full((4, 4), -1.0, np.float32), np.full((4, 4), -1.0, np.float32)) == 0.0
    with pytest.raises(ValueError, match="no box"):
        ellipse_logits(Hints(np.zeros((1, 2), np.float32), np.ones(1, np.int64)), FRAME, 64)
