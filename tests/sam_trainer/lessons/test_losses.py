import pytest
import torch

from sam_trainer.lessons.losses import mask_losses, prompt_losses, true_iou


def square(low: int, high: int, side: int = 16) -> torch.Tensor:
    mask = torch.zeros(1, side, side)
    mask[:, low:high, low:high] = 1
    return mask


def test_perfect_logits_cost_nothing_and_opposite_ones_much() -> None:
    truth = square(4, 12)
    good = 40 * (truth[:, None] - 0.5)
    assert mask_losses(good, truth).item() == pytest.approx(0, abs=1e-3)
    assert mask_losses(-good, truth).item() > 10


def test_an_answer_where_there_is_nothing_costs_by_what_was_asked_about() -> None:
    nothing, answer = torch.zeros(1, 16, 16), 8 * (square(4, 12)[:, None] - 0.5)
    small, large = (mask_losses(answer, nothing, torch.tensor([extent])).item() for extent in (4.0, 64.0))
    assert small > 2 * large > 2
    assert mask_losses(-torch.full((1, 1, 16, 16), 12.0), nothing, torch.tensor([64.0])).item() < 0.01


def test_true_iou_by_hand() -> None:
    logits = torch.where(square(0, 8)[:, None] > 0, 3.0, -3.0)
    # two 8 x 8 squares that share 4 x 4 pixels
    assert true_iou(logits, square(4, 12)).item() == pytest.approx(16 / (64 + 64 - 16))


def test_an_empty_answer_has_iou_zero() -> None:
    assert true_iou(-torch.ones(1, 1, 16, 16), square(4, 12)).item() == 0


def teach(scores: torch.Tensor, ambiguous: bool, best: int = 2) -> torch.Tensor:
    """How strongly each of four candidates is taught, of which `best` is a little better than the others."""
    truth = square(4, 12)
    logits = torch.zeros(1, 4, 16, 16)
    logits[:, best] = 0.1 * (truth - 0.5)
    logits.requires_grad_()
    prompt_losses(logits, scores, truth, torch.tensor([ambiguous])).mask.backward()
    assert logits.grad is not None
    return logits.grad.abs().sum((0, 2, 3))


def test_a_clear_prompt_teaches_the_first_candidate_and_a_little_the_best_of_the_others() -> None:
    first, *others = teach(torch.full((1, 4), 0.5), ambiguous=False)
    assert others[0] == others[2] == 0
    assert others[1] / first == pytest.approx(0.3, rel=0.1)


def test_an_ambiguous_prompt_teaches_the_best_and_what_would_be_shown() -> None:
    scores = torch.tensor([[0.0, 0.9, 0.2, 0.2]])
    first, shown, best, neither = teach(scores, ambiguous=True)
    assert shown / best == pytest.approx(1, rel=0.1)
    assert first / best == pytest.approx(0.6, rel=0.1)
    assert neither < 0.01 * best


def test_scores_in_the_wrong_order_cost_more_than_scores_that_are_all_too_low() -> None:
    truth = square(4, 12)
    logits = -torch.ones(1, 4, 16, 16)
    logits[:, 1] = truth - 0.5  # candidate 1 is right, the others are empty
    right = torch.tensor([[0.0, 0.8, 0.2, 0.2]])
    wrong = torch.tensor([[0.0, 0.2, 0.8, 0.2]])
    low = torch.tensor([[0.0, 0.6, 0.0, 0.0]])

    def cost(scores: torch.Tensor) -> float:
        ranked = prompt_losses(logits, scores, truth, torch.tensor([True])).score
        plain = prompt_losses(logits, scores, truth, torch.tensor([False])).score
        return float(ranked - plain)

    assert cost(wrong) > 0.3
    assert cost(right) < 0.01 and cost(low) < 0.01


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
