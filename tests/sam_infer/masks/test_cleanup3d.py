import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.masks.cleanup3d import Consistency, consistent
from sam_trainer.synthetic.patients import grid

GRID: Geometry = grid((20, 20, 16), (1.0, 1.0, 3.0))
NOWHERE = np.zeros((0, 3), np.int64)


def column() -> np.ndarray:
    mask = np.zeros(GRID.shape, bool)
    mask[5:12, 5:12, 3:13] = True
    return mask


def test_smoothing_is_measured_in_mm_across_slices() -> None:
    mask = column()
    mask[5:12, 5:12, 8] = False  # one slice of 3 mm is missing
    assert not consistent(mask, GRID, 2, Consistency(smooth_mm=0.5), NOWHERE)[8, 8, 8]
    smooth = consistent(mask, GRID, 2, Consistency(smooth_mm=6.0), NOWHERE)
    assert smooth[8, 8, 8] and not smooth[8, 8, 0]
    assert np.array_equal(smooth[:5], np.zeros_like(smooth[:5]))


def test_the_largest_part_and_those_pointed_at_stay() -> None:
    mask = column()
    mask[17, 17, 15] = mask[0, 0, 0] = True
    kept = consistent(mask, GRID, 2, Consistency(keep_largest=True), np.array([[17, 17, 15]]))
    assert kept[8, 8, 8] and kept[17, 17, 15] and not kept[0, 0, 0]


def test_holes_are_filled_up_to_a_volume() -> None:
    mask = column()
    mask[7, 7, 5] = False  # 3 mm3
    mask[9:11, 9:11, 8:10] = False  # 24 mm3
    mask[5, 8, 4] = False  # open to the outside
    filled = consistent(mask, GRID, 2, Consistency(fill_holes_mm3=5.0), NOWHERE)
    assert filled[7, 7, 5] and not filled[9, 9, 8] and not filled[5, 8, 4]
    assert consistent(mask, GRID, 2, Consistency(fill_holes_mm3=30.0), NOWHERE)[9, 9, 8]


def test_off_changes_nothing_and_an_empty_mask_stays_empty() -> None:
    mask = column()
    assert consistent(mask, GRID, 2, Consistency(), NOWHERE) is mask
    assert not consistent(np.zeros_like(mask), GRID, 2, Consistency(smooth_mm=3), NOWHERE).any()


@pytest.mark.parametrize("wrong", [{"smooth_mm": -1.0}, {"fill_holes_mm3": float("nan")}])
def test_refusals(wrong: dict[str, float]) -> None:
    with pytest.raises(PromptError, match="at least 0"):
        Consistency(**wrong)
