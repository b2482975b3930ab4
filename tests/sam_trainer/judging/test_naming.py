"""Which of two networks names labels, on scores made by hand."""

from __future__ import annotations

from sam_trainer.judging.gate import SemanticScore
from sam_trainer.judging.naming import UNCOMPARED, better_namer
from sam_trainer.judging.policy import GatePolicy


def scores(*dices: float) -> list[SemanticScore]:
    """Two labels a case."""
    return [SemanticScore(f"case {n // 2}", ("liver", "spleen")[n % 2], dice) for n, dice in enumerate(dices)]


def test_the_better_one_serves_and_the_sentence_has_both_figures() -> None:
    found = better_namer(scores(0.1, 0.2, 0.3, 0.4), scores(0.5, 0.6, 0.5, 0.6), GatePolicy(), "held_out")
    assert found.by == "unet" and found.metrics["named_by"] == "unet"
    assert found.why.startswith("the U-Net that trained beside the semantic head: Dice 0.550 without a prompt, 0.250")
    assert "on 2 held-out cases (U-Net less head +0.300, from +0.200 to +0.400)" in found.why
    assert found.figures["head_dice"] == 0.25 and found.figures["unet_dice"] == 0.55


def test_the_head_serves_where_the_other_one_is_no_better() -> None:
    for dices in ((0.5, 0.5), (0.501, 0.501), (0.2, 0.2)):
        found = better_namer(scores(0.5, 0.5), scores(*dices), GatePolicy(), "validation")
        assert found.by == "semantic" and found.why.startswith("the semantic head: Dice 0.500"), dices
        assert "on 1 validation case (" in found.why


def test_what_was_not_asked_the_same_is_not_compared() -> None:
    for head, unet in (([], []), (scores(0.1), scores(0.9, 0.9)), (scores(0.1), [])):
        found = better_namer(head, unet, GatePolicy(), "held_out")
        assert found.by == "semantic" and found.why == UNCOMPARED and found.figures == {}
