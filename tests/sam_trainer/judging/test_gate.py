"""The gate's decisions on scores made by hand."""

import pytest

from sam_trainer.errors import TrainingError
from sam_trainer.judging.gate import Interval, Score, Semantic, SemanticScore, interval, judge, overall
from sam_trainer.judging.policy import GatePolicy


def scores(*rows: tuple[str, str, float]) -> list[Score]:
    """One object per row: case, label, Dice after any number of clicks."""
    return [Score(case, label, f"{case}/{label}/{n}", (dice,) * 3) for n, (case, label, dice) in enumerate(rows)]


BEFORE = scores(("a", "liver", 0.8), ("b", "liver", 0.7), ("c", "spleen", 0.9))


def candidate(*dice: float) -> list[Score]:
    return [Score(s.case, s.label, s.object, (d,) * 3) for s, d in zip(BEFORE, dice, strict=True)]


def test_better_without_a_loss_is_promoted() -> None:
    verdict = judge(BEFORE, candidate(0.85, 0.75, 0.9), GatePolicy())
    assert verdict.promote and verdict.cases == 3
    assert verdict.gain == pytest.approx(0.1 / 3, abs=1e-5)
    assert verdict.labels == {"liver": 0.05, "spleen": 0.0}
    assert verdict.candidate["dice_1_click"] == pytest.approx(2.5 / 3, abs=1e-5)
    assert verdict.rows[0]["incumbent"] == (0.8,) * 3 and verdict.rows[0]["candidate"] == (0.85,) * 3


def test_no_label_may_pay_for_the_others() -> None:
    verdict = judge(BEFORE, candidate(0.95, 0.95, 0.87), GatePolicy(margin=0.02))
    assert not verdict.promote and "spleen would lose 0.030 Dice" in verdict.reason
    assert judge(BEFORE, candidate(0.95, 0.95, 0.87), GatePolicy(margin=0.04)).promote


@pytest.mark.parametrize("dice", [(0.8, 0.7, 0.9), (0.801, 0.701, 0.901), (0.7, 0.7, 0.9)])
def test_the_same_is_not_better(dice: tuple[float, float, float]) -> None:
    verdict = judge(BEFORE, candidate(*dice), GatePolicy())
    assert not verdict.promote and "not better than what serves" in verdict.reason


def test_too_few_held_out_cases_decide_nothing() -> None:
    verdict = judge(BEFORE, candidate(1.0, 1.0, 1.0), GatePolicy(held_out_cases=4))
    assert not verdict.promote and "3 held-out cases" in verdict.reason and "promote it by hand" in verdict.reason
    nothing = judge([], [], GatePolicy())
    assert not nothing.promote and nothing.cases == 0 and nothing.gain == 0.0


def test_a_person_may_keep_the_last_word() -> None:
    verdict = judge(BEFORE, candidate(0.9, 0.9, 0.9), GatePolicy(promote=False))
    assert not verdict.promote and "left to a person" in verdict.reason


def test_cases_count_equally_however_many_objects_they_have() -> None:
    many = scores(("a", "x", 1.0), *((("b", "x", 0.0),) * 9))
    assert overall(many) == 0.5


def test_networks_that_were_asked_different_things_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="same objects"):
        judge(BEFORE, candidate(0.8, 0.7, 0.9)[:2], GatePolicy())


@pytest.mark.parametrize("changes", [{"held_out_cases": 0}, {"margin": -0.1}, {"least_gain": 2.0}])
def test_a_policy_is_valid_when_constructed(changes: dict[str, float]) -> None:
    with pytest.raises(TrainingError):
        GatePolicy(**changes)  # type: ignore[arg-type]


def test_a_gain_that_may_be_chance_is_left_to_a_person() -> None:
    before = scores(*((name, "liver", 0.7) for name in "abcd"))
    after = scores(*((name, "liver", dice) for name, dice in zip("abcd", (0.95, 0.6, 0.72, 0.71), strict=True)))
    verdict = judge(before, after, GatePolicy())
    assert not verdict.promote and "may be chance" in verdict.reason and "by hand" in verdict.reason
    low, high = verdict.intervals["gain"]
    assert low < 0 < verdict.gain < high and verdict.intervals["liver"] == (low, high)
    assert judge(before, after, GatePolicy(certain=False)).promote


def test_intervals_are_paired_and_draw_whole_cases() -> None:
    """Cases differ by far more than the networks do: what counts is the difference within each."""
    values = [("a", 0.02)] * 5 + [("b", 0.03), ("c", 0.04)]
    found = interval(values)
    assert found.mean == pytest.approx(0.03) and 0.02 <= found.low < 0.03 < found.high <= 0.04
    assert interval([("a", 0.1), ("a", 0.3)]) == Interval(0.2, 0.2, 0.2)


def test_a_label_that_gets_worse_without_a_prompt_stops_a_promotion() -> None:
    better = candidate(0.9, 0.9, 0.95)
    heads = Semantic([SemanticScore("a", "liver", 0.8)], [SemanticScore("a", "liver", 0.7)])
    verdict = judge(BEFORE, better, GatePolicy(), heads)
    assert not verdict.promote and "liver without a prompt would lose 0.100" in verdict.reason
    assert (verdict.incumbent["dice_semantic"], verdict.candidate["dice_semantic"]) == (0.8, 0.7)
    first = judge(BEFORE, better, GatePolicy(), Semantic([], heads.candidate))
    assert first.promote and "dice_semantic" not in first.incumbent and first.candidate["dice_semantic"] == 0.7


def test_clicks_until_it_is_good_are_counted() -> None:
    before = [Score("a", "x", "1", (0.5, 0.7, 0.9), 5), Score("a", "x", "2", (0.9, 0.9, 0.9), 1)]
    after = [Score("a", "x", "1", (0.9, 0.9, 0.9), 1), Score("a", "x", "2", (0.9, 0.9, 0.9), 1)]
    verdict = judge(before, after, GatePolicy(held_out_cases=1))
    assert (verdict.incumbent["noc85"], verdict.candidate["noc85"]) == (3.0, 1.0)
