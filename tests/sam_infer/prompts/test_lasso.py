"""Closed lines become regions: what is filled, what a network hears of it, and what is surely not the object."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.lasso import MOST_CORNERS, MOST_LASSOS, Lasso, closed_line, filled
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.scribble import SURELY_INSIDE, SURELY_OUTSIDE
from sam_infer.prompts.volume_prompts import VolumePrompts

# 1 x 4 x 5 mm: distances along i, j and k are not the same.
GRID = Geometry((40, 20, 12), LPS_TO_RAS @ np.diag([1.0, 4.0, 5.0, 1.0]))
NONE = np.zeros((0, 3), np.int64)


def box(low: tuple[float, float], high: tuple[float, float], index: float, axis: int = 2) -> np.ndarray:
    """A rectangle as a closed line on slice `index`."""
    (a0, b0), (a1, b1) = low, high
    corners = np.array([[a0, b0], [a1, b0], [a1, b1], [a0, b1]], float)
    return np.insert(corners, axis, index, axis=1)


def test_a_rectangle_through_voxel_centres_holds_its_edges() -> None:
    out = filled(np.array([[2.0, 3.0], [5.0, 3.0], [5.0, 9.0], [2.0, 9.0]]), (10, 12))
    expected = np.zeros((10, 12), bool)
    expected[2:6, 3:10] = True
    assert np.array_equal(out, expected)


def test_between_voxels_the_centres_decide() -> None:
    out = filled(np.array([[1.6, 2.4], [4.4, 2.4], [4.4, 5.6], [1.6, 5.6]]), (10, 12))
    assert np.argwhere(out).min(axis=0).tolist() == [2, 3] and np.argwhere(out).max(axis=0).tolist() == [4, 5]


@pytest.mark.parametrize("seed", range(4))
def test_mirrored_turned_and_begun_elsewhere_it_is_the_same_region(seed: int) -> None:
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
    line = np.stack([10 + 8 * np.sin(angles), 12 + 9 * np.cos(angles)], axis=1).round(seed % 2)
    out = filled(line, (21, 25))
    assert out.any()
    assert np.array_equal(filled(np.roll(line, 5, axis=0)[::-1], (21, 25)), out)
    assert np.array_equal(filled(line * [-1, 1] + [20, 0], (21, 25)), out[::-1])
    assert np.array_equal(filled(line[:, ::-1], (25, 21)), out.T)


def test_the_end_may_run_over_the_beginning_and_every_loop_counts() -> None:
    eight = np.array([[0, 0], [8, 8], [0, 8], [8, 0]], float)
    out = filled(eight, (9, 9))
    assert out[4, 7] and out[4, 1] and not out[1, 4] and not out[7, 4]
    twice = np.concatenate([np.array([[2, 2], [7, 2], [7, 7], [2, 7]], float)] * 2)
    assert filled(twice, (9, 9)).sum() == 36


def test_what_leaves_the_image_is_cut_off() -> None:
    out = filled(np.array([[-5.0, -5.0], [30.0, -5.0], [30.0, 2.0], [-5.0, 2.0]]), (10, 12))
    assert np.array_equal(np.argwhere(out.all(axis=0)).ravel(), [0, 1, 2])


def test_a_lasso_is_prior_point_and_limit() -> None:
    lasso = Lasso(GRID, 2, (box((10, 4), (20, 12), 6),))
    points, labels = lasso.points()
    assert labels.tolist() == [1] and points.tolist() == [[15, 8, 6]]
    prior, painted = lasso.prior(), lasso.painted(None, NONE)
    assert prior is not None and painted is not None
    assert prior.array.sum() == 11 * 9 and prior.array[10:21, 4:13, 6].all()
    assert np.array_equal(painted.array[:, :, 6] == SURELY_OUTSIDE, prior.array[:, :, 6] == 0)
    assert not painted.array[:, :, 5].any()


def test_in_a_sagittal_plane_and_in_millimetres() -> None:
    """A region of 10 voxels along j (40 mm) and 8 along k (40 mm), with a tail that is long in voxels alone."""
    line = np.array([[7.2, 2, 1], [6.8, 11, 1], [7, 11, 8], [7, 2, 8]], float)
    lasso = Lasso(GRID, 0, (line,))
    points, _ = lasso.points()
    assert points[0, 0] == 7 and abs(points[0, 1] - 6.5) <= 1 and abs(points[0, 2] - 4.5) <= 1
    prior = lasso.prior()
    assert prior is not None and prior.array[7, 2:12, 1:9].all() and prior.array.sum() == 10 * 8
    said = VolumePrompts.of(Prompts(0, *lasso.points(), mask=prior), GRID)
    assert list(said.anchors) == [7]


def test_the_point_lies_where_the_region_is_thick_in_millimetres() -> None:
    """40 x 2 voxels are 40 x 8 mm, 6 x 12 voxels are 6 x 48 mm: the first is thicker."""
    first, second = box((0, 4), (39, 5), 3), box((30, 0), (35, 19), 3)
    wide = Lasso(GRID, 2, (np.concatenate([first, first[:1], second, second[:1]]),))
    points, _ = wide.points()
    assert 4 <= points[0, 1] <= 5 or 30 <= points[0, 0] <= 35


def test_what_is_excluded_is_excluded() -> None:
    lasso = Lasso(GRID, 2, (box((10, 4), (20, 12), 6),), (box((16, 2), (25, 15), 6), box((1, 1), (3, 3), 9)))
    points, labels = lasso.points()
    assert labels.tolist() == [1, 0, 0] and points[0, 0] < 16 <= points[1, 0] and points[2].tolist() == [2, 2, 9]
    given = Mask.empty(GRID)
    given.array[2, 2, 9] = given.array[5, 5, 9] = 3
    prior, painted = lasso.prior(given), lasso.painted(None, NONE)
    assert prior is not None and painted is not None
    assert prior.array[15, 8, 6] == 1 and not prior.array[16:, :, 6].any()
    assert prior.array[2, 2, 9] == 0 and prior.array[5, 5, 9] == 1  # the request's own mask, without what is excluded
    assert (painted.array[16:21, 4:13, 6] == SURELY_OUTSIDE).all() and painted.array[5, 5, 9] == 0
    assert painted.array[2, 2, 9] == SURELY_OUTSIDE
    here = lasso.on_slice(9)
    assert (len(here.inside), len(here.outside), lasso.slices()) == (0, 1, [6, 9])
    assert here.prior() is None and here.painted(None, NONE) is not None


def test_strokes_have_the_last_word_and_a_point_outside_says_that_there_is_more() -> None:
    lasso = Lasso(GRID, 2, (box((10, 4), (20, 12), 6),), (box((12, 6), (14, 8), 6),))
    strokes = Mask.empty(GRID)
    strokes.array[13, 7, 6], strokes.array[15, 8, 6] = SURELY_INSIDE, SURELY_OUTSIDE
    painted = lasso.painted(strokes, NONE)
    assert painted is not None and painted.array[13, 7, 6] == SURELY_INSIDE and painted.array[12, 6, 6] != 0
    within, beyond, elsewhere = ([15, 8, 6], [30, 8, 6], [30, 8, 5])
    for said, limited in (([within], True), ([within, beyond], False), ([elsewhere], True)):
        made = lasso.painted(None, np.array(said))
        assert made is not None and bool(made.array[35, 8, 6]) == limited and made.array[13, 7, 6] == SURELY_OUTSIDE


def test_what_is_taken_back_wholly_says_nothing() -> None:
    kept, taken = box((10, 4), (20, 12), 6), box((30, 4), (33, 6), 6)
    lasso = Lasso(GRID, 2, (kept, taken), (box((29, 3), (35, 8), 6),))
    assert lasso.points()[1].tolist() == [1, 0]
    nothing = Lasso(GRID, 2, (taken,), (box((29, 3), (35, 8), 6),))
    prior, painted = nothing.prior(), nothing.painted(None, NONE)
    assert prior is None and nothing.points()[1].tolist() == [0]
    assert painted is not None and (painted.array > 0).sum() == 7 * 6


def test_without_lassos_nothing_changes() -> None:
    given, strokes = Mask.empty(GRID), Mask.empty(GRID)
    nothing = Lasso(GRID, 2)
    assert nothing.is_empty and nothing.prior(given) is given and nothing.painted(strokes, NONE) is strokes
    assert nothing.points()[0].shape == (0, 3) and nothing.slices() == []


@pytest.mark.parametrize(
    ("inside", "outside", "words"),
    [
        ([box((1, 1), (9, 9), 6, axis=0)], [], r"lasso 1 of foreground_lasso must lie on one slice across k"),
        ([], [box((1, 1), (9, 9), 12)], r"background_lasso lies on slice 12, the image has slices 0..11"),
        ([box((5.2, 5.2), (5.4, 5.4), 3)], [], "encircles no voxel"),
        ([box((100, 50), (120, 60), 3)], [], "encircles no voxel"),
        ([box((5, 5), (6, 6), 3)] * (MOST_LASSOS + 1), [], f"more than the {MOST_LASSOS} allowed"),
    ],
)
def test_refusals(inside: list[np.ndarray], outside: list[np.ndarray], words: str) -> None:
    with pytest.raises(PromptError, match=words):
        Lasso(GRID, 2, tuple(inside), tuple(outside))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (7, "must be a list of voxels"),
        ("abc", "must be a list of voxels"),
        ([], "at least three voxels"),
        ([[1, 2], [3, 4], [5, 6]], r"voxels \[i, j, k\]"),
        ([[1, 2, 3], [1, 2]], "at least three voxels"),
        ([["a", 2, 3]] * 3, "at least three voxels"),
        ([[1, 2, 3], [4, 5, 3], [1, 2, 3]], "three different voxels"),
        ([[1, 2, 3], [4, 5, 3], [float("nan"), 2, 3]], "finite"),
        ([[n, n % 7, 3] for n in range(MOST_CORNERS + 1)], "more than"),
    ],
)
def test_what_is_no_closed_line(values: object, words: str) -> None:
    with pytest.raises(PromptError, match=words):
        closed_line(values, "lasso 1", "foreground_lasso")


def test_voxels_may_lie_between_voxels() -> None:
    assert closed_line([[1.5, 2, 3], [4, 5.25, 3], [1, 9, 3]], "lasso 1", "foreground_lasso").dtype == np.float64
