"""A training computes in the numbers that its processor is fast with, and goes on in those that it began with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from sam_infer.networks.runtimes import precision as numbers
from sam_trainer.config import TrainConfig
from sam_trainer.training import precision
from sam_trainer.training.precision import faster_precision, mixed_precision, settled


@pytest.mark.parametrize(("gain", "chosen"), [(0.02, "float32"), (1.0, "float32"), (2.5, "bfloat16")])
def test_the_default_is_what_the_processor_is_faster_with(
    gain: float, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(precision, "bfloat16_gain", lambda: gain)
    assert TrainConfig().precision == "auto" and settled(TrainConfig()).precision == chosen == faster_precision()
    for named in ("bfloat16", "float32"):
        assert settled(replace(TrainConfig(), precision=named)).precision == named


def test_a_processor_without_bfloat16_is_not_made_to_imitate_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """To measure how slow that is took three minutes, before the first line of a training."""
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    monkeypatch.setattr(numbers, "_seconds", lambda work: pytest.fail("it was measured"))
    numbers.bfloat16_gain.cache_clear()
    assert numbers.bfloat16_gain() == 0.0
    numbers.bfloat16_gain.cache_clear()


def test_the_context_follows_the_name() -> None:
    for name, shorter in (("bfloat16", True), ("float32", False)):
        with mixed_precision(name):
            kind = "cuda" if torch.cuda.is_available() else "cpu"
            assert torch.is_autocast_enabled(kind) is shorter
