"""Measures of doubt are offered by name for what was measured of them."""

from __future__ import annotations

import pytest

from sam_infer.errors import PromptError
from sam_infer.uncertainty import error_correlation
from sam_infer.uncertainty.error_correlation import (
    ErrorCorrelation,
    checked_method,
    correlations,
    has_worth,
    offered,
    require_worth,
)
from sam_infer.uncertainty.measures import DEFAULT, MEASURES


def test_what_is_offered_lies_above_0_in_every_pool_that_was_measured() -> None:
    assert DEFAULT in offered() and set(offered()) < set(MEASURES) and {"adapters", "semantic"} <= set(offered())
    for name, found in correlations().items():
        assert has_worth(name) == all(one.low > 0 for one in found)
        assert {one.pool for one in found} == {"graded", "folders"}


def test_a_measure_without_worth_is_refused_with_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "prompts": (
            ErrorCorrelation("graded", -0.292, -0.531, -0.041),
            ErrorCorrelation("folders", 0.573, 0.211, 0.833),
        ),
        "size": (ErrorCorrelation("graded", 0.736, 0.558, 0.857),),
    }
    monkeypatch.setattr(error_correlation, "correlations", lambda: told)
    assert checked_method("size") == "size" and checked_method("adapters") == "adapters"
    with pytest.raises(PromptError, match=r"-0\.29 \(-0\.53 to -0\.04\) on graded, \+0\.57.*take one of adapters, "):
        checked_method("prompts")
    with pytest.raises(PromptError, match=r"no proven worth \(not measured\): take size"):
        require_worth("views", "uncertainty", ("size",))
    with pytest.raises(PromptError, match="must be one of adapters, semantic, size, got 'entropy'"):
        checked_method("entropy")
