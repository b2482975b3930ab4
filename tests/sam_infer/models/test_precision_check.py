"""Encoders in half the bits: who gets them, and that masks stay what they were."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sam_infer.errors import ModelError
from sam_infer.models import precision_check
from sam_infer.models.precision_check import LEAST_DICE, agreed_precision, masks_agree
from sam_infer.networks import precision
from sam_infer.networks.precision import AUTO, BFLOAT16, FLOAT32, number_type
from sam_infer.networks.sam import SamBackbone
from tests.sam_infer.networks.test_sam import SMALL, official

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def networks() -> dict[str, SamBackbone]:
    """One small network of SAM's kind as it is before training: smooth masks, unlike those of wilder weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = official(SMALL)
    return {wanted: SamBackbone("small", network, precision=wanted) for wanted in (FLOAT32, BFLOAT16)}


def test_the_machine_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for gain, chosen in ((0.5, torch.float32), (2.5, torch.bfloat16)):
        monkeypatch.setattr(precision, "bfloat16_gain", lambda gain=gain: gain)
        assert number_type(AUTO, CPU) == chosen
        assert number_type(FLOAT32, CPU) == torch.float32 and number_type(BFLOAT16, CPU) == torch.bfloat16
    with pytest.raises(ModelError, match="auto, float32, bfloat16"):
        number_type("int4", CPU)


def test_masks_agree_and_features_have_another_name(networks: dict[str, SamBackbone]) -> None:
    exact, shorter = networks[FLOAT32], networks[BFLOAT16]
    assert exact.weights_id == shorter.weights_id and exact.encoder_id != shorter.encoder_id
    assert masks_agree(exact, exact) == 1
    assert LEAST_DICE <= masks_agree(exact, shorter) < 1  # other numbers, the same masks


def test_a_network_is_tried_once(
    networks: dict[str, SamBackbone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision_check, "bfloat16_gain", lambda: 2.5)
    record, asked = tmp_path / "precision.json", list[str]()

    def network(wanted: str) -> SamBackbone:
        asked.append(wanted)
        return networks[wanted]

    assert agreed_precision(network, "a", record) == BFLOAT16 and asked == [FLOAT32, BFLOAT16]
    assert agreed_precision(network, "a", record) == BFLOAT16 and len(asked) == 2
    assert agreed_precision(network, "b", record) == BFLOAT16 and len(asked) == 4  # other weights
    record.write_text(json.dumps({**json.loads(record.read_text()), "dice": 0.9}))
    assert agreed_precision(network, "b", record) == FLOAT32
    record.write_text("cut sho")
    assert agreed_precision(network, "b", record) == BFLOAT16 and len(asked) == 6


def test_a_slower_machine_is_not_bothered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision_check, "bfloat16_gain", lambda: 0.7)
    assert agreed_precision(lambda _: pytest.fail("no trial is needed"), "a", tmp_path / "p.json") == FLOAT32
