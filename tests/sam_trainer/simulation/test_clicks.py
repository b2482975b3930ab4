import numpy as np
import pytest

from sam_trainer.simulation.clicks import (
    centre_click,
    correction_click,
    deepest_click,
    first_prompt,
    jittered_box,
    largest_component,
    tight_box,
)


def rectangle(rows: slice, cols: slice, shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[rows, cols] = 1
    return mask


def disk(cy: int, cx: int, radius: int, shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return ((y - cy) ** 2 + (x - cx) ** 2 <= radius**2).astype(np.uint8)


def test_tight_box_is_the_outer_edge() -> None:
    assert tight_box(rectangle(slice(5, 15), slice(20, 50))).tolist() == [19.5, 4.5, 49.5, 14.5]
    assert tight_box(rectangle(slice(0, 40), slice(0, 60))).tolist() == [-0.5, -0.5, 59.5, 39.5]
    assert tight_box(rectangle(slice(7, 8), slice(9, 10))).tolist() == [8.5, 6.5, 9.5, 7.5]


def test_jitter_is_bounded_by_the_level_and_never_turns_the_box_over() -> None:
    box = np.array([10, 20, 50, 40], np.float32)
    rng = np.random.default_rng(0)
    for level in (0.1, 0.25, 2.0):
        for _ in range(200):
            moved = jittered_box(box, level, rng)
            assert moved[0] < moved[2] and moved[1] < moved[3]
            if level < 0.5:
                assert (np.abs(moved - box) <= level * np.array([40, 20, 40, 20]) + 1e-4).all()


def test_centre_click_of_a_disk_a_ring_and_one_pixel() -> None:
    click = centre_click(disk(18, 25, 9))
    assert (click.x, click.y, click.label) == (25, 18, 1)
    ring = disk(18, 25, 9) - disk(18, 25, 5)
    click = centre_click(ring)
    assert ring[int(click.y), int(click.x)]
    click = centre_click(rectangle(slice(3, 4), slice(4, 5)))
    assert (click.x, click.y) == (4, 3)


def test_deepest_click_counts_the_image_border_as_outside() -> None:
    click = deepest_click(rectangle(slice(0, 9), slice(0, 60)), 1)
    assert click.y == 4


def test_correction_goes_to_the_larger_error() -> None:
    truth = rectangle(slice(10, 30), slice(10, 30))
    missed = rectangle(slice(10, 30), slice(10, 20))
    click = correction_click(missed, truth)
    assert click is not None and click.label == 1
    assert 20 <= click.x < 30 and 10 <= click.y < 30
    added = truth | rectangle(slice(5, 35), slice(40, 55))
    click = correction_click(added, truth)
    assert click is not None and click.label == 0
    assert (click.x, click.y) == (47, 12) or added[int(click.y), int(click.x)]
    assert 46 <= click.x <= 48


def test_nothing_to_correct() -> None:
    truth = disk(18, 25, 9)
    assert correction_click(truth, truth) is None


@pytest.mark.parametrize("seed", range(5))
def test_random_corrections_lie_on_the_error(seed: int) -> None:
    truth, answer = disk(18, 25, 9), disk(20, 30, 9)
    click = correction_click(answer, truth, np.random.default_rng(seed))
    assert click is not None
    assert truth[int(click.y), int(click.x)] == click.label != answer[int(click.y), int(click.x)]


def test_largest_component() -> None:
    small, large = rectangle(slice(0, 3), slice(0, 3)), rectangle(slice(10, 20), slice(10, 20))
    assert (largest_component(small | large) == large).all()


def test_first_prompts_fit_the_object_and_repeat_by_seed() -> None:
    mask = disk(18, 25, 9)
    kinds = set()
    for seed in range(60):
        prompt = first_prompt(mask, np.random.default_rng(seed))
        again = first_prompt(mask, np.random.default_rng(seed))
        assert prompt.clicks == again.clicks
        kinds.add((prompt.box is not None, min(len(prompt.clicks), 2)))
        assert prompt.box is not None or prompt.clicks
        for click in prompt.clicks:
            assert mask[int(click.y), int(click.x)] == click.label
    assert kinds == {(True, 0), (True, 1), (False, 1), (False, 2)}
