"""Directions of the patient and of the picture, on every kind of grid."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.direction import DEPTH, SHOWN, Direction
from tests.sam_infer.prompts.grids import GRIDS, WAYS


@pytest.mark.parametrize("name", GRIDS)
def test_a_millimetre_is_one_and_goes_the_right_way(name: str) -> None:
    geometry = GRIDS[name]
    for plane in ("axial", "coronal", "sagittal"):
        view = SliceView.of(geometry, geometry.axis_of_plane(plane), 5)
        for said, wanted in WAYS.items():
            way = Direction(said).way(geometry, view)
            moved = geometry.affine[:3, :3] @ way
            assert np.linalg.norm(moved) == pytest.approx(1)
            assert moved @ wanted > 0.9  # oblique by at most 17 degrees
            assert (way[view.axis] == 0) or (np.count_nonzero(way) == 1)


@pytest.mark.parametrize("name", GRIDS)
def test_the_pictures_directions_are_those_of_the_display(name: str) -> None:
    geometry = GRIDS[name]
    axial = SliceView.of(geometry, geometry.axis_of_plane("axial"), 5)
    for shown, (rows, cols) in SHOWN.items():
        way = Direction(shown, True).way(geometry, axial)
        before, after = axial.to_display(np.array([[9.0, 9, 9], [9.0, 9, 9] + 3 * way]))
        assert np.sign(np.round(after - before, 6)).tolist() == [rows, cols]
    for said, same in (("left", "right"), ("top", "anterior"), ("in", "superior")):  # who looks, looks from the feet
        shown = Direction(said, True).stored(geometry, axial)
        assert shown == Direction(same).stored(geometry, axial)
    coronal = SliceView.of(geometry, geometry.axis_of_plane("coronal"), 5)
    assert Direction("in", True).stored(geometry, coronal) == Direction("posterior").stored(geometry, coronal)


def test_an_unknown_direction_is_refused() -> None:
    assert set(DEPTH) == {"in", "out"}
    with pytest.raises(PromptError, match="one of"):
        Direction("sideways")
    with pytest.raises(PromptError, match="one of"):
        Direction("top")
    assert str(Direction("left", True)) == "image left" and str(Direction("top", True)) == "top"
