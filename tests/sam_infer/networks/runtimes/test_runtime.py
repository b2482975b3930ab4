"""Which runtime computes an encoder: torch where OpenVINO is missing, is not wanted, or cannot know the network."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from sam_infer.networks.runtimes import runtime
from sam_infer.networks.runtimes.runtime import AUTO, KEPT, OPENVINO, TORCH, Runtime
from samlabel.config import AppConfig
from samlabel.errors import ConfigError
from samlabel.offline.checks import openvino


def test_torch_computes_what_others_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Identity()
    monkeypatch.setattr(runtime, "installed", lambda: True)
    for chosen, slices in (
        (Runtime(), 1),
        (Runtime(AUTO), 1),
        (Runtime(AUTO, tmp_path), 3),
        (Runtime(TORCH, tmp_path), 1),
    ):
        assert chosen.encoder(network, 8, "id", slices) is network and not chosen.suffix
    monkeypatch.setattr(runtime, "installed", lambda: False)
    for name in (AUTO, OPENVINO, KEPT):
        assert Runtime(name, tmp_path).encoder(network, 8, "id", 1) is network
    assert list(tmp_path.iterdir()) == []


def test_a_runtime_that_is_missing_or_unknown_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("samlabel.config.installed", lambda: False)
    with pytest.raises(ConfigError, match="OpenVINO is not installed: `make openvino`"):
        AppConfig(runtime=OPENVINO)
    with pytest.raises(ConfigError, match="runtime must be one of auto, torch, openvino, got 'onnx'"):
        AppConfig(runtime="onnx")
    monkeypatch.setattr("samlabel.offline.checks.find_spec", lambda name: None)
    check = openvino()
    assert check.ok and "not installed" in check.found and "make openvino" in check.found
