"""Networks on a GPU answer what they answer on a processor; run by `benchmarks/gpu.sh` where there is one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: benchmarks/gpu.sh runs these")

# A process that sees no GPU says what a processor answers.
SAID = """
import sys
import numpy as np
from tests.sam_infer.networks.test_cuda import answer
np.savez(sys.argv[2], **answer(sys.argv[1]))
"""


def answer(name: str) -> dict[str, np.ndarray]:
    """Masks and scores of one seeded network for points and for a box."""
    from sam_infer.networks.backbone import Hints
    from sam_infer.networks.tiny.backbone import TinyBackbone

    backbone = TinyBackbone.embedded() if name == "embedded" else TinyBackbone.random(7)
    rng, side = np.random.default_rng(3), backbone.input_size
    image = rng.integers(0, 256, (1, side, side, 3), dtype=np.uint8)
    image[:, side // 4 : side // 2, side // 4 : side // 2] //= 4
    features = backbone.encode(image)
    place = np.array([[side * 0.375, side * 0.375]])
    points = backbone.decode(features, Hints(place, np.ones(1, np.int64)))
    corners = np.array([side * 0.25, side * 0.25, side * 0.5, side * 0.5])
    box = backbone.decode(features, Hints(np.zeros((0, 2)), np.zeros(0, np.int64), corners))
    return {"points": points.logits, "points_scores": points.scores, "box": box.logits, "box_scores": box.scores}


@pytest.mark.parametrize("name", ["embedded", "random"])
def test_a_gpu_answers_what_a_processor_answers(name: str, tmp_path: Path) -> None:
    here = answer(name)
    out = tmp_path / "cpu.npz"
    environ = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", SAID, name, str(out)], env=environ, check=True)
    with np.load(out) as there:
        for what, values in here.items():
            if what.endswith("scores"):
                np.testing.assert_allclose(values, there[what], atol=0.02)
                continue
            both, either = (values > 0) & (there[what] > 0), (values > 0) | (there[what] > 0)
            assert not either.any() or both.sum() / either.sum() > 0.99, what


def test_many_encodes_at_once_are_those_of_each_alone() -> None:
    from sam_infer.networks.tiny.backbone import TinyBackbone

    backbone, rng = TinyBackbone.embedded(), np.random.default_rng(0)
    shape = (1, backbone.input_size, backbone.input_size, 3)
    images = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(3)]
    alone = [backbone.encode_all([image])[0] for image in images]
    for one, other in zip(alone, backbone.encode_all(images), strict=True):
        for name, values in one.items():
            np.testing.assert_allclose(values.cpu().float(), other[name].cpu().float(), atol=0.05)
