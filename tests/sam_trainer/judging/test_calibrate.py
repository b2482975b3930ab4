"""When accepted labels are enough for a temperature."""

from __future__ import annotations

from pathlib import Path

import pytest

from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.calibration import Calibration
from sam_trainer.judging import calibrate as calibrating
from sam_trainer.judging.calibrate import calibrate
from sam_trainer.labels.cases import read_sources
from sam_trainer.labels.round import HELD_OUT, AcceptedLabel, part_of
from tests.small_studies import flat_case

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_first_label_or_two_set_no_temperature_and_three_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrating, "OBJECTS", 1)
    names = [name for name in (f"case{n}" for n in range(20)) if part_of(name) != HELD_OUT][:3]
    for n, name in enumerate(names):
        flat_case(tmp_path, name, n)
    accepted = [AcceptedLabel(case) for case in read_sources(tmp_path)[0].cases]
    predictor = Predictor(TinyBackbone.embedded(), EmbeddingCache())
    assert calibrate(predictor, accepted[:2]) == Calibration()
    found = calibrate(predictor, accepted)
    assert found.fitting(predictor.backbone.weights_id) is found
    assert found.fitting("other weights") == Calibration()
    assert (found.cases, found.held_out, found.ece_before) == (3, 0, None) and found.temperature != 1.0
