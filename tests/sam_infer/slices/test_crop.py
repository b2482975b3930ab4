import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_infer.slices.crop import ZoomPolicy, crop_around, extent_of, steady_crop

POLICY = ZoomPolicy(context=2.0, below=0.7)


@settings(deadline=None)
@given(row=st.integers(0, 480), col=st.integers(0, 480), height=st.integers(1, 100), width=st.integers(1, 100))
def test_the_object_lies_inside_its_crop(row: int, col: int, height: int, width: int) -> None:
    low = np.array([row, col], float)
    high = np.minimum(low + np.array([height - 1, width - 1]), 511)
    crop = crop_around(low, high, (512, 512), (1.0, 1.0), POLICY)
    assert crop is not None
    assert crop.row <= low[0] and crop.col <= low[1]
    assert high[0] < crop.row + crop.height and high[1] < crop.col + crop.width
    assert 0 <= crop.row and crop.row + crop.height <= 512


def test_a_large_object_needs_no_zoom() -> None:
    assert crop_around(np.array([50.0, 50.0]), np.array([400.0, 400.0]), (512, 512), (1, 1), POLICY) is None


def test_small_changes_of_the_object_keep_the_crop() -> None:
    crops = {
        crop_around(np.array([206.0 + d, 206.0]), np.array([235.0 + d, 236.0]), (512, 512), (1, 1), POLICY)
        for d in range(3)
    }
    assert len(crops) == 1


def test_crops_are_square_in_millimetres() -> None:
    crop = crop_around(np.array([20.0, 100.0]), np.array([23.0, 119.0]), (64, 256), (4.0, 1.0), POLICY)
    assert crop is not None and abs(crop.height * 4 - crop.width) <= 4


@settings(deadline=None)
@given(row=st.integers(0, 480), col=st.integers(0, 380), height=st.integers(1, 100), width=st.integers(1, 100))
def test_the_object_lies_inside_its_steady_crop(row: int, col: int, height: int, width: int) -> None:
    low = np.array([row, col], float)
    high = np.minimum(low + np.array([height - 1, width - 1]), [511, 399])
    crop = steady_crop(low, high, (512, 400), (1.0, 1.0), POLICY)
    if crop is None:  # a large object across the middle fits no crop with a margin
        assert max(height, width) > 30
        return
    assert 0 <= crop.row <= low[0] and high[0] < crop.row + crop.height <= 512
    assert 0 <= crop.col <= low[1] and high[1] < crop.col + crop.width <= 400


def test_a_growing_outline_keeps_its_steady_crop() -> None:
    crops = {
        steady_crop(np.array([85.0 - d, 90.0 - d]), np.array([111.0 + d, 100.0 + d]), (512, 512), (1, 1), POLICY)
        for d in range(3)
    }
    assert len(crops) == 1


def test_the_extent_is_of_the_parts_that_were_clicked_on() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:10, 5:12] = mask[30:32, 30:32] = True
    low, high = extent_of(mask, np.array([[7.0, 7.0]]))
    assert (low.tolist(), high.tolist()) == ([5, 5], [9, 11])
    low, high = extent_of(mask, np.array([[7.0, 7.0], [14.0, 3.0]]))  # a click beside it stretches it
    assert (low.tolist(), high.tolist()) == ([5, 3], [14, 11])
    low, high = extent_of(mask, np.zeros((0, 2)))
    assert (low.tolist(), high.tolist()) == ([5, 5], [31, 31])
    assert extent_of(np.zeros((4, 4), bool), np.zeros((0, 2))) is None
