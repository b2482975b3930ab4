import numpy as np
import pytest
import torch

from sam_infer.automatic.taught.embedded_slice import EmbeddedSlice
from sam_infer.automatic.taught.self_prompt import SelfPrompt, surely
from sam_infer.errors import PromptError

SIDE = 32


def scene(seed: int) -> EmbeddedSlice:
    """An embedding of 32 x 32 with a label in one channel and another, coarser, in a second one."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[:64, :64]
    shift = rng.uniform(-6, 6, 4)
    values = np.zeros((64, 64), np.uint8)
    values[np.hypot(rows - 30 - shift[0], cols - 18 - shift[1]) < 10] = 1
    values[np.hypot(rows - 34 - shift[2], cols - 46 - shift[3]) < 8] = 2
    looks = rng.normal(0, 0.3, (1, 4, SIDE, SIDE))
    looks[0, 0] += 2 * (values[::2, ::2] == 1)
    looks[0, 2] += 2 * (values[::2, ::2] == 2)
    return EmbeddedSlice({"embedding": torch.tensor(looks)}, values)


def test_trained_heads_show_the_labels_of_a_slice_they_have_not_seen(one_thread) -> None:
    heads = SelfPrompt.learned(2, SIDE, 64, [scene(seed) for seed in range(4)])
    new = scene(9)
    maps = heads.of(new.features)
    assert maps.shape == (2, 64, 64) and maps.min() >= 0 and maps.max() <= 1
    for number, piece in enumerate(surely(maps), 1):
        truth = new.values == number
        assert 2 * (piece & truth).sum() / (piece.sum() + truth.sum()) > 0.8
    again = SelfPrompt.learned(2, SIDE, 64, [scene(seed) for seed in range(4)])
    assert torch.equal(heads.heads, again.heads)


def test_a_pixel_is_in_one_prompt_at_most_and_only_where_it_is_sure() -> None:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 0], maps[1, 0], maps[0, 1] = 0.96, 0.99, 0.94
    first, second = surely(maps)
    assert not first.any() and second[0].all() and not second[1:].any()


def test_nothing_can_be_learned_from_nothing() -> None:
    with pytest.raises(PromptError, match="accept a label first"):
        SelfPrompt.learned(2, SIDE, 64, [])
