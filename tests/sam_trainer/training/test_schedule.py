import pytest

from sam_trainer.training.schedule import Schedule


def test_warm_up_hold_and_decay() -> None:
    schedule = Schedule(decay_share=0.2, warmup_steps=100)
    assert schedule.factor(0, 0.0) == pytest.approx(0.01)
    assert schedule.factor(49, 0.01) == pytest.approx(0.5)
    assert schedule.factor(500, 0.5) == 1.0
    assert schedule.factor(900, 0.9) == pytest.approx(0.5)
    assert schedule.factor(1000, 1.0) == 0.0


def test_without_warm_up_and_decay_the_rate_is_constant() -> None:
    schedule = Schedule(decay_share=0.0, warmup_steps=0)
    assert {schedule.factor(step, progress) for step, progress in ((0, 0.0), (10, 0.99))} == {1.0}
