"""Simulated strokes and lassos: where they run, that a seed repeats them, and what a session is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import ndimage

from sam_infer.prompts.lasso import closed_line, filled
from sam_trainer.simulation.gestures import Gesture, gesture_session, lasso, stroke

SHAPE = (60, 70)


def ring() -> np.ndarray:
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(rows - 30, cols - 35)
    return (distance <= 22) & (distance >= 12)


def disc(radius: float = 20) -> np.ndarray:
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return np.hypot(rows - 30, cols - 35) <= radius


@pytest.mark.parametrize("seed", range(5))
def test_a_stroke_stays_in_its_region_and_is_one_piece(seed: int) -> None:
    places = stroke(ring(), 1, np.random.default_rng(seed))
    painted = np.zeros(SHAPE, bool)
    painted[tuple(places.T)] = True
    assert not (painted & ~ring()).any() and ndimage.label(painted, np.ones((3, 3)))[1] == 1
    assert np.array_equal(places, stroke(ring(), 1, np.random.default_rng(seed)))


def test_strokes_differ_from_seed_to_seed() -> None:
    lengths = {len(stroke(disc(), 1, np.random.default_rng(seed))) for seed in range(6)}
    assert len(lengths) > 2


@pytest.mark.parametrize("seed", range(5))
def test_a_lasso_round_what_was_missed_keeps_some_room(seed: int) -> None:
    region = filled(lasso(disc(), 1, np.random.default_rng(seed)), SHAPE)
    assert (disc() & ~region).sum() < 0.03 * disc().sum()
    assert 1.02 * disc().sum() < region.sum() < 1.4 * disc().sum()


def test_a_lasso_round_what_is_too_much_stays_inside() -> None:
    region = filled(lasso(disc(), 0, np.random.default_rng(0)), SHAPE)
    assert not (region & ~disc()).any() and region.sum() > 0.9 * disc().sum()


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("where", [np.s_[0, 0], np.s_[5, 5:7], np.s_[59, 69], np.s_[3:5, 3:5]])
def test_the_smallest_errors_can_be_drawn_on(label: int, where: tuple) -> None:
    region = np.zeros(SHAPE, bool)
    region[where] = True
    rng = np.random.default_rng(0)
    line = lasso(region, label, rng)
    closed_line([[r, c, 0] for r, c in line.tolist()], "lasso", "foreground_lasso")
    assert (filled(line, SHAPE) & region).any() and len(stroke(region, label, rng))


def test_a_session_draws_on_the_largest_error_and_ends_when_all_is_right() -> None:
    truth, asked = disc(), []

    def half_then_all(gestures: Sequence[Gesture]) -> np.ndarray:
        asked.append(list(gestures))
        mask = truth.copy()
        mask[:, 35:] &= len(gestures) > 1
        return mask

    answers = gesture_session(truth, half_then_all, stroke, np.random.default_rng(0), count=4)
    assert len(answers) == 4 and [len(gestures) for gestures in asked] == [1, 2]
    first, second = asked[1]
    assert first.label == second.label == 1 and (second.places[:, 1] >= 35).all()
    assert np.array_equal(answers[-1], truth)
