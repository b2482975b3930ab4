"""Metrics against numbers computed by hand, on pixels of 2 x 0.5 mm."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_trainer.measures.overlap import dice, hd95_mm, jaccard, nsd, surface_distances

MM = (2.0, 0.5)


def square(row: int, col: int, side: int = 4, shape: tuple[int, int] = (16, 16)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[row : row + side, col : col + side] = True
    return mask


EMPTY = np.zeros((16, 16), bool)


def test_overlap_of_two_squares_moved_by_one_row() -> None:
    one, other = square(4, 4), square(5, 4)
    assert dice(other, one) == pytest.approx(2 * 12 / 32)
    assert jaccard(other, one) == pytest.approx(12 / 20)


def test_nothing_expected_and_nothing_found_is_perfect() -> None:
    assert (dice(EMPTY, EMPTY), jaccard(EMPTY, EMPTY), nsd(EMPTY, EMPTY, MM, 1.0)) == (1.0, 1.0, 1.0)
    assert hd95_mm(EMPTY, EMPTY, MM) == 0.0


@pytest.mark.parametrize(("predicted", "truth"), [(EMPTY, square(4, 4)), (square(4, 4), EMPTY)])
def test_one_empty_mask_is_a_complete_miss(predicted: np.ndarray, truth: np.ndarray) -> None:
    assert (dice(predicted, truth), jaccard(predicted, truth), nsd(predicted, truth, MM, 99.0)) == (0.0, 0.0, 0.0)
    assert hd95_mm(predicted, truth, MM) == pytest.approx(np.hypot(32.0, 8.0))


def test_a_shift_along_rows_costs_more_millimetres_than_along_columns() -> None:
    truth = square(4, 4, side=2)  # every pixel of it is surface
    assert hd95_mm(square(6, 4, side=2), truth, MM) == pytest.approx(4.0)
    assert hd95_mm(square(4, 6, side=2), truth, MM) == pytest.approx(1.0)


def test_single_pixels_three_rows_and_four_columns_apart() -> None:
    one, other = square(2, 2, side=1), square(5, 6, side=1)
    there, back = surface_distances(one, other, MM)
    assert there.tolist() == back.tolist() == [pytest.approx(np.hypot(6.0, 2.0))]


def test_tolerance_counts_both_surfaces() -> None:
    truth, wider = square(4, 4, side=1), np.zeros((16, 16), bool)
    wider[4, 4:8] = True  # a bar of four pixels, 0 to 1.5 mm from the truth
    assert nsd(wider, truth, MM, 0.5) == pytest.approx((1 + 2) / 5)
    assert nsd(wider, truth, MM, 1.5) == 1.0


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
def test_surface_measures_agree_with_monai_on_random_blobs() -> None:
    # all of monai, which whoever only collects tests need not wait for
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    rng = np.random.default_rng(3)
    for _ in range(5):
        (a, b), size = rng.integers(3, 12, (2, 2)), rng.integers(5, 12)
        one, other = square(*a, size, (32, 32)), square(*b, size + 2, (32, 32))
        as_batch = [torch.from_numpy(np.stack([~m, m])[None].astype(np.float32)) for m in (one, other)]
        theirs = compute_hausdorff_distance(*as_batch, percentile=95, spacing=MM)
        assert hd95_mm(one, other, MM) == pytest.approx(float(theirs[0, 0]), abs=1e-4)
        theirs = compute_surface_dice(*as_batch, class_thresholds=[2.0], spacing=MM)
        assert nsd(one, other, MM, 2.0) == pytest.approx(float(theirs[0, 0]), abs=1e-4)
