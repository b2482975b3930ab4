"""Intervals and areas against numbers that can be computed by hand."""

import numpy as np
import pytest

from sam_trainer.measures.paired import GAIN, LOSS, NO_GAIN, area_under, crossed, difference


def test_intervals_are_students() -> None:
    found = difference([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.mean == 3.0 and found.low == pytest.approx(3 - 2.776 * np.sqrt(2.5 / 5), abs=1e-3)
    assert found.verdict == GAIN and difference([-2.0, -2.1, -1.9]).verdict == LOSS
    assert difference([1.0, -1.0]).verdict == NO_GAIN
    assert difference([5.0]).verdict == NO_GAIN and difference([]).verdict == NO_GAIN
    assert "gain: +3.000 (95 % CI" in found.sentence


def test_an_interval_holds_the_luck_of_the_draw_too() -> None:
    lucky = np.array(
        [[2.0, 2.1, 1.9, 2.0], [0.0, 0.1, -0.1, 0.0], [-1.0, -1.1, -0.9, -1.0]]
    )  # draws differ, cases hardly
    assert crossed(lucky).verdict == NO_GAIN and difference(lucky.mean(axis=0).tolist()).verdict == GAIN
    steady = 1.0 + 0.1 * np.random.default_rng(0).normal(size=(5, 18))
    found = crossed(steady)
    assert found.verdict == GAIN and found.mean == pytest.approx(steady.mean()) and found.pairs == 18
    assert crossed(steady[:1]) == difference(steady[0].tolist())


def test_an_area_ends_at_the_budget_that_both_spent() -> None:
    assert area_under([0, 10], [4.0, 2.0], 10) == pytest.approx(3.0)
    assert area_under([0, 10], [4.0, 2.0], 5) == pytest.approx(3.5)
    assert area_under([0, 2, 4], [1.0, 1.0, 5.0], 4) == pytest.approx(2.0)
    assert area_under([3, 10], [4.0, 2.0], 2) == 4.0
