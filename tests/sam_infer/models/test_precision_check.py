"""Encoders in half the bits: who gets them, and that masks stay what they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from sam_infer.errors import ModelError
from sam_infer.models import precision_check
from sam_infer.models.precision_check import LEAST_DICE, agreed_precision, masks_agree
from sam_infer.networks.backbone import Backbone, Features
from sam_infer.networks.runtimes import precision
from sam_infer.networks.runtimes.precision import AUTO, BFLOAT16, FLOAT32, number_type
from sam_infer.networks.sam import SamBackbone
from sam_infer.networks.sam_vit import build_vit, with_weights
from tests.sam_infer.networks.test_sam import SMALL

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def networks() -> dict[str, SamBackbone]:
    """One small network of SAM's kind with weights as before training: smooth masks, unlike those of wilder weights."""
    made = torch.Generator().manual_seed(0)
    drawn = {
        name: torch.ones(like.shape) if name.endswith("norm.weight") else 0.02 * torch.randn(like.shape, generator=made)
        for name, like in build_vit(SMALL).state_dict().items()
    }
    network = with_weights(build_vit(SMALL), drawn)
    return {wanted: SamBackbone("small", network, precision=wanted) for wanted in (FLOAT32, BFLOAT16)}


class Rounded:
    """A network whose features are rounded to bfloat16: a processor that lacks the type computes in it for minutes."""

    def __init__(self, exact: SamBackbone) -> None:
        self._exact = exact

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exact, name)

    def encode(self, stack: np.ndarray) -> Features:
        features = self._exact.encode(stack)
        return {name: tensor.to(torch.bfloat16).to(torch.float32) for name, tensor in features.items()}


def test_the_machine_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for gain, chosen in ((0.5, torch.float32), (2.5, torch.bfloat16)):
        monkeypatch.setattr(precision, "bfloat16_gain", lambda gain=gain: gain)
        assert number_type(AUTO, CPU) == chosen
        assert number_type(FLOAT32, CPU) == torch.float32 and number_type(BFLOAT16, CPU) == torch.bfloat16
    with pytest.raises(ModelError, match="auto, float32, bfloat16"):
        number_type("int4", CPU)


def test_features_in_half_the_bits_have_another_name(networks: dict[str, SamBackbone]) -> None:
    exact, shorter = networks[FLOAT32], networks[BFLOAT16]
    assert exact.weights_id == shorter.weights_id and exact.encoder_id != shorter.encoder_id


def test_masks_agree_where_only_the_last_bits_differ(networks: dict[str, SamBackbone]) -> None:
    exact = networks[FLOAT32]
    stack = np.full((1, exact.input_size, exact.input_size, 3), 90, np.uint8)
    assert any(
        not torch.equal(Rounded(exact).encode(stack)[name], value) for name, value in exact.encode(stack).items()
    )
    assert masks_agree(exact, exact) == 1
    assert LEAST_DICE <= masks_agree(exact, cast(Backbone, Rounded(exact)))  # other numbers, the same masks


def test_masks_agree_in_the_processors_own_half_precision(networks: dict[str, SamBackbone]) -> None:
    assert LEAST_DICE <= masks_agree(networks[FLOAT32], networks[BFLOAT16]) <= 1


def test_a_network_is_tried_once(
    networks: dict[str, SamBackbone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision_check, "bfloat16_gain", lambda: 2.5)
    record, asked = tmp_path / "precision.json", list[str]()

    def network(wanted: str) -> Backbone:
        asked.append(wanted)
        exact = networks[FLOAT32]
        return exact if wanted == FLOAT32 else cast(Backbone, Rounded(exact))

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
