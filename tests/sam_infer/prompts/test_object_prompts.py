import numpy as np
import pytest

from sam_infer.errors import PromptError, VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import Box, Prompts, indices


def test_order_of_points_does_not_matter() -> None:
    one = Prompts(points=np.array([[5, 1, 2], [1, 9, 2], [1, 2, 2]]), labels=np.array([0, 1, 1]))
    two = Prompts(points=np.array([[1, 2, 2], [5, 1, 2], [1, 9, 2]]), labels=np.array([1, 0, 1]))
    assert one.points.tolist() == two.points.tolist() == [[1, 2, 2], [1, 9, 2], [5, 1, 2]]
    assert one.labels.tolist() == two.labels.tolist() == [1, 1, 0]


def test_box_corners_are_sorted_and_clipped(plain_geometry: Geometry) -> None:
    box = Box.of([9, -3, 1], [2, 3, 1])
    assert (box.low.tolist(), box.high.tolist()) == ([2, -3, 1], [9, 3, 1])
    clipped = box.clipped(plain_geometry)
    assert (clipped.low.tolist(), clipped.high.tolist()) == ([2, 0, 1], [5, 3, 1])


def test_box_outside_the_image_is_refused(plain_geometry: Geometry) -> None:
    with pytest.raises(PromptError, match="outside the image") as caught:
        Box.of([50, 0, 0], [60, 2, 0]).clipped(plain_geometry)
    assert caught.value.field == "roi"


def test_only_hints_of_the_slice_count() -> None:
    prompts = Prompts(
        points=np.array([[1, 1, 0], [2, 2, 1]]), labels=np.array([1, 1]), box=Box.of([0, 0, 1], [3, 3, 2])
    )
    assert prompts.slices() == [0, 1]
    assert prompts.on_slice(0).points.tolist() == [[1, 1, 0]] and prompts.on_slice(0).box is None
    assert prompts.on_slice(1).box is not None
    assert prompts.on_slice(3).is_empty


@pytest.mark.parametrize(
    "bad",
    [
        [[1, 2]],
        [["a", "b", "c"]],
        [[np.nan, 0, 0]],
        [[np.inf, 0, 0]],
        [[1, 2, 3], [1, 2]],
        "1,2,3",
        [],
        None,
        [[[1, 2, 3]]],
        [[1j, 0, 0]],
        [[1e30, 0, 0]],
    ],
)
def test_what_is_not_voxel_indices_is_refused(bad: object) -> None:
    with pytest.raises(PromptError) as caught:
        indices(bad, "foreground")
    assert caught.value.field == "foreground" and "foreground" in str(caught.value)


def test_point_outside_the_image_is_refused(plain_geometry: Geometry) -> None:
    with pytest.raises(PromptError, match=r"point \[6, 0, 0\] is outside"):
        Prompts(points=np.array([[6, 0, 0]]), labels=np.array([1])).checked(plain_geometry)


def test_too_many_points_are_refused() -> None:
    with pytest.raises(PromptError, match="more than the 1000 allowed"):
        Prompts(points=np.zeros((1001, 3), int), labels=np.ones(1001, int))


def test_labels_must_fit_points() -> None:
    with pytest.raises(PromptError, match="1 points came with 2 labels"):
        Prompts(points=np.zeros((1, 3), int), labels=np.ones(2, int))
    with pytest.raises(PromptError, match="must be 0 or 1"):
        Prompts(points=np.zeros((1, 3), int), labels=np.array([2]))


def test_prior_mask_of_another_place_is_refused(plain_geometry: Geometry) -> None:
    moved = plain_geometry.affine.copy()
    moved[2, 3] += 5
    with pytest.raises(VolumeError, match="another grid"):
        Prompts(mask=Mask.empty(Geometry(plain_geometry.shape, moved))).checked(plain_geometry)


def test_points_know_when_they_were_said() -> None:
    said = Prompts(points=np.array([[5, 1, 2], [1, 9, 2], [1, 2, 0]]), labels=np.array([0, 1, 1]))
    assert said.points.tolist() == [[1, 2, 0], [1, 9, 2], [5, 1, 2]] and said.turns.tolist() == [1, 0, 2]
    assert said.on_slice(2).turns.tolist() == [0, 1]
    told = Prompts(points=said.points, labels=said.labels, turns=np.array([9, 5, 7]))
    assert told.turns.tolist() == [2, 0, 1] and told.until(0).points.tolist() == [[1, 9, 2]]
    more = told.followed_by(np.array([[0, 0, 2], [7, 7, 2]]), np.array([1, 0]))
    assert more.turns[more.points[:, 0] == 0].tolist() == more.turns[more.points[:, 0] == 7].tolist() == [3]
    with pytest.raises(PromptError, match="2 points came with 1 turns"):
        Prompts(points=said.points[:2], labels=said.labels[:2], turns=np.array([0]))
