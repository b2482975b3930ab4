import numpy as np
import pytest

from sam_trainer.synthetic.shapes import bent, blob, branches, extent, mirrored, patch, rotation, shrunk, tube

CENTRE = np.array([0.4, 0.6])


@pytest.mark.parametrize("seed", range(8))
def test_blobs_and_patches_lie_around_their_centre(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for outline in (blob(rng, CENTRE, 0.1, 0.2), patch(rng, CENTRE, 0.1)):
        low, high = extent([outline])
        assert (low < CENTRE).all() and (high > CENTRE).all()
        assert (high - low).max() < 0.6


def test_a_blob_without_roughness_is_an_ellipse() -> None:
    outline = blob(np.random.default_rng(0), CENTRE, 0.1, 0.0)
    x, y = outline[:, 0], outline[:, 1]
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    assert area == pytest.approx(np.pi * 0.01, rel=0.01)


def test_a_tube_is_as_wide_as_asked_at_its_start() -> None:
    outline = tube(np.random.default_rng(1), CENTRE, 0.5, 0.04)
    assert np.linalg.norm(outline[0] - outline[-1]) == pytest.approx(0.04, rel=0.4)


def test_shrinking_keeps_the_centre_and_scales_the_size() -> None:
    outline = blob(np.random.default_rng(2), CENTRE, 0.1, 0.1)
    small = shrunk(outline, 0.5, np.zeros(2))
    np.testing.assert_allclose(small.mean(axis=0), outline.mean(axis=0))
    np.testing.assert_allclose(np.ptp(small, axis=0), 0.5 * np.ptp(outline, axis=0))


def test_mirroring_twice_changes_nothing() -> None:
    outline = blob(np.random.default_rng(3), CENTRE, 0.1, 0.1)
    np.testing.assert_allclose(mirrored(mirrored(outline, 0.5), 0.5), outline)


def test_rotation_keeps_lengths() -> None:
    np.testing.assert_allclose(rotation(0.7) @ rotation(0.7).T, np.eye(2), atol=1e-12)


def test_bending_changes_the_shape_but_not_its_place() -> None:
    outline = blob(np.random.default_rng(4), CENTRE, 0.1, 0.0)
    curved = bent(np.random.default_rng(5), outline, 0.8)
    assert np.abs(curved - outline).max() > 0.01
    assert np.abs(curved.mean(axis=0) - CENTRE).max() < 0.1


def test_branches_leave_their_vessel_and_grow_thinner() -> None:
    found = branches(np.random.default_rng(2), CENTRE, 0.5, 0.04, 6)
    assert len(found) == 7
    widths = [float(np.linalg.norm(outline[0] - outline[-1])) for outline in found]
    assert widths[0] == max(widths) and len(branches(np.random.default_rng(2), CENTRE, 0.5, 0.04, 0)) == 1
