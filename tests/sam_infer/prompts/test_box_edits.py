"""Boxes moved and resized in millimetres, and the places in them that words name, on every kind of grid."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_infer.prompts.box_edits import BoxEdit, deepest, set_in_plane
from sam_infer.prompts.direction import Direction
from sam_infer.prompts.object_prompts import Box
from tests.sam_infer.prompts.grids import ANISOTROPIC, GRIDS, WAYS


def edit_on(name: str, plane: str = "axial") -> BoxEdit:
    geometry = GRIDS[name]
    axis = geometry.axis_of_plane(plane)
    middle = np.asarray(geometry.shape) // 2
    reach = np.array([5, 4, 3])
    reach[axis] = 0
    box = Box(middle - reach, middle + reach)
    return BoxEdit(box, geometry, SliceView.of(geometry, axis, int(middle[axis])))


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("plane", ["axial", "sagittal"])
def test_a_moved_box_went_so_many_millimetres_that_way(name: str, plane: str) -> None:
    edit = edit_on(name, plane)
    for said, wanted in WAYS.items():
        moved = edit.moved(Direction(said), 6.0)
        before, after = (edit.geometry.to_world([(b.low + b.high) / 2])[0] for b in (edit.box, moved))
        way = after - before
        half_voxel = max(edit.geometry.spacing_mm) / 2
        assert np.linalg.norm(way) == pytest.approx(6, abs=half_voxel)
        assert way @ wanted / np.linalg.norm(way) > 0.85
        assert (moved.high - moved.low == edit.box.high - edit.box.low).all()


@pytest.mark.parametrize("name", GRIDS)
def test_every_edge_goes_out_by_the_same_millimetres_in_the_slice_only(name: str) -> None:
    edit = edit_on(name)
    bigger = edit.resized(3.0, 0, True)
    for axis in range(3):
        spacing = edit.geometry.spacing_mm[axis]
        wanted = 0 if axis == edit.view.axis else 3.0
        for out in (edit.box.low[axis] - bigger.low[axis], bigger.high[axis] - edit.box.high[axis]):
            assert out * spacing == pytest.approx(wanted, abs=spacing / 2)
    back = BoxEdit(bigger, edit.geometry, edit.view).resized(3.0, 0, False)
    assert (back.low == edit.box.low).all() and (back.high == edit.box.high).all()


def test_what_changes_nothing_or_leaves_nothing_is_refused() -> None:
    edit = edit_on("anisotropic")
    outwards = Direction("right" if ANISOTROPIC.world_axes[0][1] < 0 else "left")
    cornered = BoxEdit(Box(np.zeros(3, int), np.array([4, 4, 0])), edit.geometry, edit.view)
    refused = {
        "a voxel is 3 mm": lambda: edit.moved(Direction("superior"), 1.0),
        "changes nothing": lambda: edit.resized(0.1, 0, True),
        "nothing of it would be left": lambda: edit.resized(20.0, 0, False),
        "end of the image": lambda: cornered.moved(outwards, 5.0),
        "across this slice": lambda: edit.towards([Direction("superior")]),
        "not two sides": lambda: edit.towards([Direction("left"), Direction("right")]),
    }
    for words, wrong in refused.items():
        with pytest.raises(PromptError, match=words):
            wrong()


@pytest.mark.parametrize("name", GRIDS)
def test_regions_are_parts_of_the_box_towards_those_sides(name: str) -> None:
    edit = edit_on(name)
    middle = edit.geometry.to_world([(edit.box.low + edit.box.high) / 2])[0]
    for said, wanted in (("left", (-1, 0, 0)), ("anterior", (0, 1, 0))):
        part = edit.cell(*edit.towards([Direction(said)]))
        place = edit.geometry.to_world(edit.view.to_stored(deepest(part)[None]))[0]
        assert (place - middle) @ wanted > 1
    noon, three = (np.argwhere(edit.at_the_clock(hours)).mean(axis=0) for hours in (12, 3))
    centre = np.argwhere(edit.cell(1, 1)).mean(axis=0)
    assert noon[0] < centre[0] and abs(noon[1] - centre[1]) < 1.5
    assert three[1] > centre[1] and abs(three[0] - centre[0]) < 1.5
    assert sum(edit.cell(row, col).astype(int) for row in range(3) for col in range(3)).max() == 1


def test_a_box_is_set_by_the_stored_axes_of_the_slice() -> None:
    box = set_in_plane((30, 10, 20, 99), ANISOTROPIC, SliceView.of(ANISOTROPIC, 2, 7))
    assert (box.low.tolist(), box.high.tolist()) == ([20, 10, 7], [30, 49, 7])
    with pytest.raises(PromptError, match="outside the image"):
        set_in_plane((100, 100, 120, 120), ANISOTROPIC, SliceView.of(ANISOTROPIC, 2, 7))
