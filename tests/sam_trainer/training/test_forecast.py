"""`samlabel train --explain`: what would be trained is what the method trains; what it costs is measured."""

from __future__ import annotations

from functools import partial
from itertools import count

import pytest

from sam_infer.models.load import load_network
from sam_trainer.config import TrainConfig
from sam_trainer.training.forecast import forecast

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_forecast_says_what_trains_and_what_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock ticks once when it is looked at: a step is a step, however often somebody asks whether to end."""
    monkeypatch.setattr("sam_trainer.training.forecast.time.perf_counter", partial(next, count(1.0)))
    short = TrainConfig(
        method="bottleneck", epochs=3, steps=40, images=1, objects=1, decodes=1, semantic_images=0, precision="float32"
    )
    found = forecast(load_network("tiny"), short)
    inserted = 6 * (2 * 192 * 48 + 48 + 192)
    assert found.parts["bottleneck: image_encoder.blocks.N.attn"] == inserted
    assert found.parts["bottleneck: image_encoder.blocks.N.mlp"] == inserted
    assert found.parameters == sum(found.parts.values()) < found.network
    assert found.parts["value: mask_decoder"] == found.parameters - 2 * inserted
    assert found.file_bytes == 4 * found.parameters
    assert found.step_seconds == 1.0 and found.minutes == pytest.approx(3 * 40 / 60)
    weights = 4 * found.network + 16 * found.parameters
    assert found.memory_bytes > weights + 1e6
