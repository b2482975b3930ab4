"""Memory footprint of a fresh process that only predicts: `python -m sam_trainer.bench.footprint MODEL`."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Volume
from sam_infer.models.load import load_backbone
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor

CLICKS = 10


def main(model: str) -> None:
    """Answer ten clicks on a slice of 512 x 512 and report peak and present memory in bytes."""
    backbone = load_backbone(model)
    size = 512
    rows, cols = np.mgrid[:size, :size]
    disk = (rows - 200) ** 2 + (cols - 300) ** 2 < 60**2
    volume = Volume((disk * 100).astype(np.int16)[..., None], Geometry((size, size, 1), np.eye(4)))
    predictor = Predictor(backbone, EmbeddingCache())
    for n in range(1, CLICKS + 1):
        points = [(200, 300 + 4 * i, 0) for i in range(n)]
        predictor.predict(volume, Prompts(2, np.array(points), np.ones(n, np.int64)), 0)
    peak = _resident("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"peak_bytes": peak, "resident_bytes": _resident() or peak}) + "\n")


def _resident(line_name: str = "VmRSS") -> int | None:
    """A figure of this process's memory; the peak is asked for as VmHWM: `ru_maxrss` inherits that of its parent."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(line_name)), None)


if __name__ == "__main__":
    main(sys.argv[1])
