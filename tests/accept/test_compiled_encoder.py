"""`--set compile=true`: the same features from a compiled encoder. Written for GPUs; a processor can prove it too."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from sam_infer.networks.runtimes.runtime import COMPILED, Runtime
from sam_infer.networks.sam import SamBackbone
from tests.sam_infer.networks.test_sam import SMALL, official

pytestmark = [pytest.mark.accept, pytest.mark.timeout(1200)]


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler needs g++")
def test_a_compiled_encoder_gives_the_same_features_under_another_name() -> None:
    torch.manual_seed(0)
    network = official(SMALL)
    plain, compiled = SamBackbone("small", network), SamBackbone("small", network, runtime=Runtime(COMPILED))
    assert plain.encoder_id != compiled.encoder_id
    frames = np.random.default_rng(0).integers(0, 255, (2, SMALL.input_size, SMALL.input_size, 3)).astype(np.uint8)
    for frame in frames:
        expected, found = plain.encode(frame[None])["embedding"], compiled.encode(frame[None])["embedding"]
        assert torch.allclose(found, expected, atol=1e-3, rtol=1e-3)
