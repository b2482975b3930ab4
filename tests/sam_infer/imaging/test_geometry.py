import numpy as np
import pytest

from sam_infer.errors import PromptError, VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_trainer.synthetic.patients import grid, rotation


def test_indices_become_ras_millimetres_by_hand(plain_geometry: Geometry) -> None:
    assert plain_geometry.to_world([1, 2, 3]).tolist() == [[-11, -24, 39]]
    assert plain_geometry.to_index([[-11, -24, 39]]).tolist() == [[1, 2, 3]]
    assert plain_geometry.spacing_mm == (1.0, 2.0, 3.0)


def test_planes_follow_the_anatomy_not_the_storage(plain_geometry: Geometry) -> None:
    assert [plain_geometry.axis_of_plane(p) for p in ("sagittal", "coronal", "axial")] == [0, 1, 2]
    swapped = Geometry((4, 6, 5), plain_geometry.affine[:, [2, 0, 1, 3]])
    assert [swapped.axis_of_plane(p) for p in ("sagittal", "coronal", "axial")] == [1, 2, 0]


def test_oblique_axes_are_assigned_to_the_nearest_world_axis() -> None:
    geometry = grid((8, 8, 8), (1, 1, 1), rotation(25, -20, 30))
    assert geometry.world_axes == ((0, -1), (1, -1), (2, 1))


def test_same_grid_is_judged_at_the_corners(plain_geometry: Geometry) -> None:
    near, far = plain_geometry.affine.copy(), plain_geometry.affine.copy()
    near[0, 3] += 0.005
    far[0, 3] += 0.5
    assert plain_geometry.same_as(Geometry(plain_geometry.shape, near))
    assert not plain_geometry.same_as(Geometry(plain_geometry.shape, far))
    assert not plain_geometry.same_as(Geometry((6, 5, 3), plain_geometry.affine))


@pytest.mark.parametrize("affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3)])
def test_a_grid_that_is_none_is_refused(affine: np.ndarray) -> None:
    with pytest.raises(VolumeError):
        Geometry((2, 2, 2), affine)


def test_unknown_plane_is_refused_by_name(plain_geometry: Geometry) -> None:
    with pytest.raises(PromptError, match="plane must be one of") as caught:
        plain_geometry.axis_of_plane("oblique")
    assert caught.value.field == "plane"
