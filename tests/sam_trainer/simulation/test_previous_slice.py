import numpy as np

from sam_trainer.lessons.prompt_batch import ENDED, FOLLOWED, MASK_STRIDE, BatchShape, draw_batch
from sam_trainer.measures.overlap import dice
from sam_trainer.simulation.previous_slice import neighbour


def disk(side: int = 128, radius: int = 24) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return ((x - 60) ** 2 + (y - 70) ** 2 <= radius**2).astype(np.uint8)


def test_the_slice_before_shows_nearly_the_same() -> None:
    overlaps = [dice(neighbour(disk(), np.random.default_rng(seed)) > 0, disk() > 0) for seed in range(40)]
    assert 0.8 < np.mean(overlaps) < 0.97
    assert min(overlaps) > 0.5 and max(overlaps) < 1


def test_nothing_stays_nothing() -> None:
    empty = np.zeros((32, 32), np.uint8)
    assert not neighbour(empty, np.random.default_rng(0)).any()


def test_followed_objects_have_the_earlier_mask_and_no_other_hint() -> None:
    shape = BatchShape(64, 4, 4)
    batches = [draw_batch(3, index, shape) for index in range(40)]
    prompts = [prompt for batch in batches for prompt in batch.prompts]
    followed = [prompt for prompt in prompts if prompt.neighbour is not None]
    assert abs(len(followed) / len(prompts) - FOLLOWED) < 0.05
    assert all(not prompt.clicks and prompt.box is None for prompt in followed)
    ended = 0
    for batch in batches:
        assert batch.earlier.shape == (16, 1, 64 // MASK_STRIDE, 64 // MASK_STRIDE)
        assert (batch.extent > 0).all()
        for prompt, truth, earlier in zip(batch.prompts, batch.truth, batch.earlier, strict=True):
            assert earlier.isnan().all() == (prompt.neighbour is None)
            assert truth.any() or prompt.neighbour is not None
            ended += not truth.any()
    assert 0 < ended < 3 * ENDED * len(followed)
