"""Classical methods find a bright object and never fail on odd input."""

from __future__ import annotations

import numpy as np
import pytest

from sam_trainer.bench.classical import ellipse, grabcut, growing, walker
from sam_trainer.measures.overlap import dice

ROWS, COLS = np.mgrid[:120, :160]
TRUTH = np.hypot(ROWS - 50, (COLS - 90) / 1.5) < 20
BOX = np.array([[31, 61], [69, 119]])
CENTRE, CORNER = np.array([[50, 90]]), np.array([[5, 5]])
NONE = np.zeros((0, 2), np.int64)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    noise = np.random.default_rng(0).integers(-12, 13, TRUTH.shape)
    return (np.where(TRUTH, 190, 70) + noise).astype(np.uint8)


def test_the_ellipse_fills_its_box() -> None:
    mask = ellipse(np.array([[2, 3], [4, 9]]), (8, 12))
    assert [int(row.sum()) for row in mask] == [0, 0, 5, 7, 5, 0, 0, 0]
    assert ellipse(np.array([[2, 3], [2, 3]]), (8, 12)).sum() == 1
    assert dice(ellipse(BOX, TRUTH.shape), TRUTH) > 0.97


@pytest.mark.parametrize("colour", [False, True])
def test_a_bright_object_is_found(pixels: np.ndarray, colour: bool) -> None:
    shown = np.stack([pixels] * 3, axis=-1) if colour else pixels
    assert dice(grabcut(shown, BOX), TRUTH) > 0.95
    assert dice(growing(shown, CENTRE, NONE), TRUTH) > 0.9
    assert dice(walker(shown, CENTRE, CORNER), TRUTH) > 0.9


def test_large_slices_are_solved_small(pixels: np.ndarray) -> None:
    large = np.kron(pixels, np.ones((6, 6), np.uint8))
    truth = np.kron(TRUTH, np.ones((6, 6), bool))
    assert dice(grabcut(large, BOX * 6), truth) > 0.93
    assert dice(walker(large, CENTRE * 6, CORNER * 6), truth) > 0.9


def test_a_background_point_takes_its_region_away(pixels: np.ndarray) -> None:
    assert not (growing(pixels, CENTRE, CENTRE) & TRUTH).any()


def test_nothing_to_see_is_no_error() -> None:
    flat = np.full((40, 40), 9, np.uint8)
    assert not walker(flat, CENTRE // 3, NONE).any()
    assert grabcut(flat, np.array([[0, 0], [39, 39]])).all()
    assert grabcut(flat, np.array([[5, 5], [5, 5]]))[5, 5]
