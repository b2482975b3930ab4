import pytest
import torch

from sam_trainer.losses import mask_losses, prompt_losses, true_iou


def square(low: int, high: int, side: int = 16) -> torch.Tensor:
    mask = torch.zeros(1, side, side)
    mask[:, low:high, low:high] = 1
    return mask


def test_perfect_logits_cost_nothing_and_opposite_ones_much() -> None:
    truth = square(4, 12)
    good = 40 * (truth[:, None] - 0.5)
    assert mask_losses(good, truth).item() == pytest.approx(0, abs=1e-3)
    assert mask_losses(-good, truth).item() > 10


def test_true_iou_by_hand() -> None:
    logits = torch.where(square(0, 8)[:, None] > 0, 3.0, -3.0)
    # two 8 x 8 squares that share 4 x 4 pixels
    assert true_iou(logits, square(4, 12)).item() == pytest.approx(16 / (64 + 64 - 16))


def test_an_empty_answer_has_iou_zero() -> None:
    assert true_iou(-torch.ones(1, 1, 16, 16), square(4, 12)).item() == 0


@pytest.mark.parametrize("ambiguous", [True, False])
def test_only_the_best_of_the_three_is_taught(ambiguous: bool) -> None:
    truth = square(4, 12)
    logits = torch.zeros(1, 4, 16, 16)
    logits[:, 2] = truth - 0.5
    logits.requires_grad_()
    prompt_losses(logits, torch.full((1, 4), 0.5), truth, torch.tensor([ambiguous])).mask.backward()
    assert logits.grad is not None
    taught = logits.grad.abs().sum((0, 2, 3)) > 0
    assert taught.tolist() == [True, False, True, False]


def test_ambiguity_moves_the_weight_between_the_candidates() -> None:
    truth = square(4, 12)
    shares = []
    for ambiguous in (True, False):
        logits = torch.zeros(1, 4, 16, 16, requires_grad=True)
        prompt_losses(logits, torch.full((1, 4), 0.5), truth, torch.tensor([ambiguous])).mask.backward()
        assert logits.grad is not None
        each = logits.grad.abs().sum((0, 2, 3))
        shares.append(float(each[0] / each[1:].sum()))
    assert shares == pytest.approx([0.3, 1 / 0.3])


def test_scores_are_taught_without_touching_the_masks() -> None:
    truth = square(4, 12)
    logits = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    scores = torch.full((1, 4), 0.5, requires_grad=True)
    losses = prompt_losses(logits, scores, truth, torch.tensor([False]))
    losses.score.backward()
    assert logits.grad is None
    assert scores.grad is not None and (scores.grad != 0).all()
    expected = (0.5 - true_iou(logits.detach(), truth)).square().mean()
    assert losses.score.item() == pytest.approx(expected.item())
