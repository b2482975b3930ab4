import numpy as np
import pytest
import torch

from sam_infer.networks.tiny.model import TinySam
from sam_trainer.lessons.dialogue import hold_dialogue, preferred
from sam_trainer.lessons.prompt_batch import BatchShape, draw_batch, pad_clicks, stack_boxes
from sam_trainer.simulation.clicks import Click, FirstPrompt


def test_batches_repeat_by_seed_and_index() -> None:
    shape = BatchShape(64, 2, 3)
    first, again, other = draw_batch(0, 5, shape), draw_batch(0, 5, shape), draw_batch(0, 6, shape)
    assert torch.equal(first.images, again.images) and torch.equal(first.truth, again.truth)
    assert not torch.equal(first.images, other.images)
    assert first.images.shape == (2, 3, 64, 64)
    assert first.truth.shape == (6, 64, 64)
    assert first.coverage.shape == (6, 16, 16)
    assert first.coverage.mean().item() == pytest.approx(first.truth.float().mean().item(), rel=1e-5)


def test_clicks_are_padded_and_missing_boxes_are_nan() -> None:
    points, labels = pad_clicks([[Click(1, 2, 1)], [], [Click(3, 4, 0), Click(5, 6, 1)]])
    assert points.shape == (3, 2, 2)
    assert labels.tolist() == [[1, -1], [-1, -1], [0, 1]]
    assert points[2].tolist() == [[3, 4], [5, 6]]
    boxes = stack_boxes([FirstPrompt(), FirstPrompt(box=np.array([1, 2, 3, 4], np.float32))])
    assert boxes[0].isnan().all() and boxes[1].tolist() == [1, 2, 3, 4]


def test_a_dialogue_has_finite_losses_and_teaches_every_part() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = TinySam()
    losses = hold_dialogue(model, draw_batch(0, 0, BatchShape(64, 2, 3)), np.random.default_rng(0))
    assert len(losses) == 3
    torch.stack([part.total for part in losses]).sum().backward()
    untaught = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert untaught == []


def test_a_clear_prompt_prefers_the_first_mask_and_an_ambiguous_one_the_best_scored_other() -> None:
    logits = torch.arange(4.0)[None, :, None, None].expand(2, 4, 3, 3)
    scores = torch.tensor([[0.9, 0.1, 0.8, 0.3], [0.9, 0.1, 0.8, 0.3]])
    chosen = preferred(logits, scores, torch.tensor([False, True]))
    assert chosen[:, 0, 0, 0].tolist() == [0, 2]
