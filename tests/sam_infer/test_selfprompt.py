import numpy as np
import pytest
import torch

from sam_infer.errors import PromptError
from sam_infer.selfprompt import CoarseMap, likeliest

SIDE = 32


def scene(seed: int) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """Two maps of different size in which a left and a right organ have their own signature, and their labels."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:64, :64]
    shift = rng.uniform(-3, 3, 4)
    values = np.zeros((64, 64), np.uint8)
    values[np.hypot(rows - 30 - shift[0], cols - 18 - shift[1]) < 10] = 1
    values[np.hypot(rows - 34 - shift[2], cols - 46 - shift[3]) < 8] = 2
    fine = rng.normal(0, 0.3, (1, 2, 64, 64))
    fine[0, 0] += values == 1
    coarse = rng.normal(0, 0.3, (1, 3, 16, 16))
    coarse[0, 2] += 2 * (values[2::4, 2::4] == 2)
    return {"a": torch.tensor(fine), "b": torch.tensor(coarse)}, values


def test_two_accepted_slices_say_where_the_labels_of_a_third_are() -> None:
    coarse = CoarseMap(("left", "right"), SIDE)
    for seed in (1, 2):
        coarse.learn(*scene(seed))
    features, values = scene(3)
    for number, piece in enumerate(likeliest(coarse.of(features)), 1):
        truth = values[::2, ::2] == number
        assert 2 * (piece & truth).sum() / (piece.sum() + truth.sum()) > 0.7


def test_more_cases_change_the_map_and_order_does_not_matter() -> None:
    one, two, reverse = (CoarseMap(("left", "right"), SIDE) for _ in range(3))
    one.learn(*scene(1))
    first = one.of(scene(3)[0])
    for seed in (1, 2):
        two.learn(*scene(seed))
    for seed in (2, 1):
        reverse.learn(*scene(seed))
    assert not np.allclose(first, two.of(scene(3)[0]))
    np.testing.assert_allclose(two.of(scene(3)[0]), reverse.of(scene(3)[0]), atol=1e-5)


def test_only_the_surest_piece_prompts() -> None:
    maps = np.zeros((1, SIDE, SIDE), np.float32)
    maps[0, 2:5, 2:5], maps[0, 20:28, 20:28] = 0.9, 0.8
    piece = likeliest(maps)[0]
    assert piece[24, 24] and not piece[3, 3]


def test_without_an_accepted_case_there_is_no_map() -> None:
    with pytest.raises(PromptError, match="accept a label first"):
        CoarseMap(("left",), SIDE).of(scene(1)[0])
