"""Seconds of a slice's full gallery with `tiny`: 1,024 clicks on 256 x 256 pixels, and a second label of the slice.

    .venv/bin/python benchmarks/gallery.py

Of several slices the median; a worker per core, each on one thread, as a server asks. `cpu_seconds` says what a busy
machine would have taken idle, at most.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import torch

from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.bench.automatic.gallery_time import gallery_row
from sam_trainer.provenance import require_clean
from sam_trainer.reports.record import Report, spelled

OUT = Path("benchmarks") / "results" / "gallery.json"


def main() -> None:
    """Measure, and write the slice in the middle."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="slices, each new to the network")
    parser.add_argument("--threads", type=int, default=2, help="workers")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--allow-changed", action="store_true", help="measure a source tree that no commit names")
    options = parser.parse_args()
    require_clean(options.allow_changed)
    torch.set_num_threads(options.threads)
    started, backbone = time.time(), TinyBackbone.embedded()
    rows = [gallery_row(Predictor(backbone, EmbeddingCache()), 256) for _ in range(options.repeats)]
    row = sorted(rows, key=lambda one: float(one["first_label_seconds"]))[len(rows) // 2]
    told = {"repeats": options.repeats, "threads": options.threads}
    facts = {"model": backbone.name, "weights": backbone.weights_id}
    Report(spelled("benchmarks/gallery.py", told), 0, [row], started, facts).write(options.out)
    sys.stdout.write(f"{row}\n")


if __name__ == "__main__":
    main()
