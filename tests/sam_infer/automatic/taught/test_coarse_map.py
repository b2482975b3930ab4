import numpy as np
import pytest
import torch

from sam_infer.automatic.taught.coarse_map import CoarseMap, Lesson, in_frame, likeliest, places
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Volume
from sam_infer.networks.frame import fit_longest, whole
from sam_trainer.synthetic.patients import grid, rotation

SIDE = 32

# One slice of 64 x 64 mm around the middle of the body.
ROWS, COLS = np.mgrid[:SIDE, :SIDE]
WHERE = np.stack([(31 - 2 * COLS).ravel(), (31 - 2 * ROWS).ravel(), np.zeros(SIDE**2)], axis=1) / 100


def scene(seed: int, alike: bool = False) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """Two maps of different size in which a left and a right organ show, each by its own signature or both alike."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:64, :64]
    shift = rng.uniform(-3, 3, 4)
    values = np.zeros((64, 64), np.uint8)
    values[np.hypot(rows - 30 - shift[0], cols - 18 - shift[1]) < 10] = 1
    values[np.hypot(rows - 34 - shift[2], cols - 46 - shift[3]) < 8] = 2
    fine = rng.normal(0, 0.3, (1, 2, 64, 64))
    fine[0, 0] += values > 0 if alike else values == 1
    coarse = rng.normal(0, 0.3, (1, 3, 16, 16))
    coarse[0, 2] += 0 if alike else 2 * (values[2::4, 2::4] == 2)
    return {"a": torch.tensor(fine), "b": torch.tensor(coarse)}, values


def learned(*seeds: int, alike: bool = False) -> CoarseMap:
    return CoarseMap.learned(2, SIDE, lambda: (Lesson(*scene(seed, alike), WHERE) for seed in seeds))


def dice_of(coarse: np.ndarray, values: np.ndarray) -> list[float]:
    shown = []
    for number, piece in enumerate(likeliest(coarse), 1):
        truth = values[::2, ::2] == number
        shown.append(2 * (piece & truth).sum() / (piece.sum() + truth.sum()))
    return shown


def test_two_accepted_slices_say_where_the_labels_of_a_third_are() -> None:
    features, values = scene(3)
    assert min(dice_of(learned(1, 2).of(features, WHERE), values)) > 0.8


def test_organs_that_look_alike_are_told_apart_by_their_place() -> None:
    features, values = scene(3, alike=True)
    here = learned(1, 2, alike=True)
    assert min(dice_of(here.of(features, WHERE), values)) > 0.8
    nowhere = here.of(features, np.zeros_like(WHERE))  # the same looks, without places
    assert min(dice_of(nowhere, values)) < 0.5


def test_more_cases_change_the_map_and_order_does_not_matter() -> None:
    features, _ = scene(3)
    one, two, reverse = learned(1), learned(1, 2), learned(2, 1)
    assert not np.allclose(one.of(features, WHERE), two.of(features, WHERE))
    np.testing.assert_allclose(two.of(features, WHERE), reverse.of(features, WHERE), atol=1e-5)


def test_a_label_that_no_case_has_is_nowhere() -> None:
    known = CoarseMap.learned(3, SIDE, lambda: (Lesson(*scene(seed), WHERE) for seed in (1, 2)))
    maps = known.of(scene(3)[0], WHERE)
    assert np.isfinite(maps).all() and not likeliest(maps)[2].any()


def test_only_the_surest_piece_prompts_in_2d_and_3d() -> None:
    maps = np.zeros((1, SIDE, SIDE), np.float32)
    maps[0, 2:5, 2:5], maps[0, 20:28, 20:28] = 0.9, 0.8
    piece = likeliest(maps)[0]
    assert piece[24, 24] and not piece[3, 3]
    deep = np.zeros((1, 5, SIDE, SIDE), np.float32)
    deep[0, :, 2:5, 2:5], deep[0, 2, 20:26, 20:26] = 0.9, 0.9
    piece = likeliest(deep)[0]
    assert piece[:, 3, 3].all() and not piece[2, 24, 24]


def test_without_an_accepted_case_there_is_no_map() -> None:
    with pytest.raises(PromptError, match="accept a label first"):
        learned()


def test_labels_and_places_lie_where_the_frame_shows_them() -> None:
    """Tall slices of unequal pixels on an oblique grid: a voxel is found at its own place in the body."""
    geometry = grid((30, 50, 9), (2.0, 1.0, 5.0), rotation(10, 5, -8))
    array = np.zeros((30, 50, 9), np.uint8)
    array[21:25, 10:18, 4] = 1
    volume = Volume(array, geometry)
    view = volume.view(2, 4)
    frame = fit_longest(whole(view.height, view.width), view.pixel_mm, 256, "centre")
    shown = in_frame(view.extract(array), frame)
    assert shown[frame.input_height :].sum() == 0 and shown.any()
    where = places(view, frame, geometry, np.zeros(3), 256)[shown.ravel() == 1] * 100
    truth = geometry.to_world(np.argwhere(array))
    assert np.linalg.norm(where.mean(axis=0) - truth.mean(axis=0)) < 0.3
    assert np.abs(where.max(axis=0) - truth.max(axis=0)).max() < 1.5
