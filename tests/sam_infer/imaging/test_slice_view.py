from itertools import permutations, product

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import grid, reoriented


def test_axial_slice_of_an_lps_volume_shows_rows_j_and_columns_i(plain_geometry: Geometry) -> None:
    array = np.arange(6 * 5 * 4).reshape(6, 5, 4)
    view = SliceView.of(plain_geometry, 2, 1)
    assert view.extract(array).tolist() == array[:, :, 1].T.tolist()
    assert view.pixel_mm == (2.0, 1.0)


def test_sagittal_and_coronal_have_the_head_on_top(plain_geometry: Geometry) -> None:
    array = np.arange(6 * 5 * 4).reshape(6, 5, 4)
    # k grows towards superior, so the last k is the first row; j grows towards posterior: to the right.
    assert SliceView.of(plain_geometry, 0, 2).extract(array).tolist() == array[2, :, ::-1].T.tolist()
    assert SliceView.of(plain_geometry, 1, 3).extract(array).tolist() == array[:, 3, ::-1].T.tolist()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_points_go_to_display_and_back(plain_geometry: Geometry, axis: int) -> None:
    view = SliceView.of(plain_geometry, axis, 2)
    array = np.arange(6 * 5 * 4).reshape(6, 5, 4)
    rng = np.random.default_rng(0)
    points = rng.integers(0, plain_geometry.shape, (20, 3))
    points[:, axis] = 2
    row_cols = view.to_display(points)
    assert view.to_stored(row_cols).tolist() == points.tolist()
    rows, cols = row_cols.astype(int).T
    assert view.extract(array)[rows, cols].tolist() == array[tuple(points.T)].tolist()


def test_every_reorientation_shows_the_same_picture(l_phantom: tuple[Volume, Mask]) -> None:
    volume, _ = l_phantom
    expected = volume.pixels(volume.view(volume.geometry.axis_of_plane("axial"), 9))
    for order, flips in product(permutations(range(3)), product((False, True), repeat=3)):
        array, geometry = reoriented(volume.array, volume.geometry, order, flips)
        other = Volume(array, geometry, "CT")
        axis = geometry.axis_of_plane("axial")
        index = 23 - 9 if flips[axis] else 9
        assert np.array_equal(other.pixels(other.view(axis, index)), expected), (order, flips)


def test_insert_is_the_inverse_of_extract(plain_geometry: Geometry) -> None:
    view = SliceView.of(plain_geometry, 1, 0)
    target = np.zeros((6, 5, 4), np.uint8)
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6)
    view.insert(target, picture)
    assert np.array_equal(view.extract(target), picture)
    assert target[:, 1:].sum() == 0


def test_a_slice_outside_is_refused() -> None:
    with pytest.raises(PromptError, match=r"slice 9 is outside 0\.\.7"):
        SliceView.of(grid((8, 8, 8), (1, 1, 1)), 2, 9)
