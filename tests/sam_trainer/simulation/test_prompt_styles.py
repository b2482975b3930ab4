"""Golden coordinates of the prompt strategies, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.imaging.slice_view import SliceView
from sam_trainer.simulation.prompt_styles import (
    Drawn,
    displaced,
    drawn,
    grid_points,
    inner_half,
    jittered_box,
    pushed_box,
    random_points,
)
from sam_trainer.synthetic.patients import grid

SHAPE = (20, 24)


def disk(radius: float = 4.0, centre: tuple[int, int] = (9, 11), hole: float = 0.0) -> np.ndarray:
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = np.hypot(rows - centre[0], cols - centre[1])
    return (distance <= radius) & (distance >= hole)


def points(prompts: Drawn) -> tuple[list[list[int]], list[list[int]]]:
    return prompts.foreground.tolist(), prompts.background.tolist()


def test_a_disk() -> None:
    mask = disk()  # 49 pixels, rows 5..13 of 1, 5, 7, 7, 9, 7, 7, 5, 1
    assert mask.sum() == 49
    assert points(drawn(mask, "S2")) == ([[9, 11]], [])
    # places 49 * n // 5 = 9, 19, 29, 39 of the row-major list
    others = [[7, 11], [8, 14], [10, 8], [11, 11]]
    assert points(drawn(mask, "S3")) == ([[9, 11], *others], [])
    assert drawn(mask, "S5").box.tolist() == [[5, 7], [13, 15]]
    both = drawn(mask, "S6")
    assert (both.foreground.tolist(), both.box.tolist()) == ([[9, 11]], [[5, 7], [13, 15]])


def test_background_points_of_a_disk_are_even_in_the_box_twice_enlarged() -> None:
    # The box 9 x 9 grows by 4.5 on each side to rows 1..18 and columns 3..20.
    mask = disk()
    window = np.argwhere(~mask[1:19, 3:21]) + np.array([1, 3])
    assert len(window) == 18 * 18 - 49
    assert drawn(mask, "S4").background.tolist() == window[[0, 55, 110, 165, 220]].tolist()
    assert drawn(mask, "S4").background.tolist()[:2] == [[1, 3], [4, 4]]


def test_a_ring_whose_centre_of_mass_lies_outside() -> None:
    mask = disk(4.0, hole=2.5)
    pixels = np.argwhere(mask)
    assert not mask[9, 11]
    assert len(pixels) == 28
    assert points(drawn(mask, "S2")) == ([pixels[14].tolist()], [])
    assert points(drawn(mask, "S2")) == ([[9, 14]], [])
    assert drawn(mask, "S3").foreground.tolist() == pixels[[14, 5, 11, 16, 22]].tolist()


def test_one_pixel() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[3, 7] = True
    assert points(drawn(mask, "S3")) == ([[3, 7]], [])
    assert drawn(mask, "S5").box.tolist() == [[3, 7], [3, 7]]
    # the box 1 x 1 enlarged to rows 3..4, columns 7..8, less the pixel
    assert drawn(mask, "S4").background.tolist() == [[3, 8], [4, 7], [4, 8]]


def test_an_object_that_touches_the_border() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[0:4, 20:24] = True
    assert points(drawn(mask, "S2")) == ([[2, 22]], [])  # the centre 1.5, 21.5 is rounded up
    assert drawn(mask, "S3").foreground.tolist() == [[2, 22], [0, 23], [1, 22], [2, 21], [3, 20]]
    assert drawn(mask, "S5").box.tolist() == [[0, 20], [3, 23]]
    # enlarged to rows -2..5 and columns 18..25, cut to rows 0..5 and columns 18..23: 36 pixels less 16
    assert drawn(mask, "S4").background.tolist() == [[0, 18], [2, 18], [4, 18], [4, 22], [5, 20]]


def test_a_full_image_has_no_background_points() -> None:
    mask = np.ones((10, 10), bool)
    assert points(drawn(mask, "S4")) == ([[5, 5], [2, 0], [4, 0], [6, 0], [8, 0]], [])
    assert drawn(mask, "S5").box.tolist() == [[0, 0], [9, 9]]


def test_the_grid_of_s1_lies_on_cell_centres() -> None:
    assert grid_points((8, 12), 2).tolist() == [[2, 3], [2, 9], [6, 3], [6, 9]]
    assert len(grid_points((512, 512), 32)) == 1024


def test_an_empty_mask_and_an_unknown_strategy_are_refused() -> None:
    with pytest.raises(PromptError, match="empty"):
        drawn(np.zeros(SHAPE, bool), "S2")
    with pytest.raises(PromptError, match="S2 to S6"):
        drawn(disk(), "S1")


def test_prompts_reach_the_stored_grid_through_flips_and_transposition() -> None:
    geometry = grid((24, 20, 3), (1.0, 1.0, 4.0))
    view = SliceView.of(geometry, 2, 1)
    stored = np.zeros(geometry.shape, bool)
    stored[4:9, 2:6, 1] = True
    prompts = drawn(view.extract(stored), "S6").on(view)
    assert (prompts.axis, prompts.box.low.tolist(), prompts.box.high.tolist()) == (2, [4, 2, 1], [8, 5, 1])
    assert stored[tuple(prompts.points[0])]


def test_the_inner_half_is_the_deeper_half() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2:12, 2:12] = True
    inner = inner_half(mask)
    assert inner.sum() == 50
    assert inner[4:10, 4:10].all()
    assert not inner[2].any()


@pytest.mark.parametrize("mode", ["edges", "shift", "scale"])
def test_an_undisturbed_box_stays_and_a_disturbed_one_stays_in_the_slice(mode: str) -> None:
    box = np.array([[5, 7], [13, 15]])
    rng = np.random.default_rng(0)
    assert jittered_box(box, mode, 0.0, SHAPE, rng).tolist() == box.tolist()
    for _ in range(50):
        moved = jittered_box(box, mode, 0.5, SHAPE, rng)
        assert (moved >= 0).all()
        assert (moved < SHAPE).all()
        assert (moved[0] <= moved[1]).all()


def test_scale_and_shift_move_by_exactly_the_level() -> None:
    box, rng = np.array([[40, 40], [59, 59]]), np.random.default_rng(1)
    sides = {
        tuple((b[1] - b[0] + 1).tolist()) for b in (jittered_box(box, "scale", 0.2, (99, 99), rng) for _ in range(9))
    }
    assert sides == {(24, 24), (16, 16)}
    shifts = [jittered_box(box, "shift", 0.5, (99, 99), rng)[0] - box[0] for _ in range(9)]
    assert all(np.hypot(*step) == pytest.approx(10.0, abs=0.8) for step in shifts)


def test_an_unknown_disturbance_is_refused() -> None:
    with pytest.raises(PromptError, match="edges, shift or scale"):
        jittered_box(np.array([[1, 1], [2, 2]]), "wobble", 0.1, SHAPE, np.random.default_rng(0))


def test_pushed_edges_move_by_the_band() -> None:
    rng = np.random.default_rng(2)
    steps = np.abs(pushed_box(np.array([[100, 100], [200, 200]]), (10, 20), (300, 300), rng) - [[100, 100], [200, 200]])
    assert ((steps >= 10) & (steps <= 20)).all()


def test_only_the_first_point_moves_when_asked() -> None:
    rng = np.random.default_rng(4)
    start = drawn(np.pad(np.ones((20, 20), bool), 40), "S4")
    first = displaced(start, (10, 20), True, (100, 100), rng)
    assert (first.foreground[1:] == start.foreground[1:]).all()
    assert (first.background == start.background).all()
    assert 9 <= np.hypot(*(first.foreground[0] - start.foreground[0])) <= 21
    everything = displaced(start, (10, 20), False, (100, 100), rng)
    assert (everything.foreground != start.foreground).any(axis=1).all()


def test_random_points_lie_on_the_object_and_repeat_with_the_seed() -> None:
    mask = disk()
    drawn_twice = [random_points(mask, 10, np.random.default_rng(7)).tolist() for _ in range(2)]
    assert drawn_twice[0] == drawn_twice[1]
    assert all(mask[r, c] for r, c in drawn_twice[0])
    assert len({tuple(p) for p in drawn_twice[0]}) == 10
