"""Processor seconds of a slice's encoding with torch and with OpenVINO, and whether the masks stay the same.

    .venv/bin/python benchmarks/encoders.py --studies FOLDER

Models that are added are measured with their weights; `vit_b`, whose official file may be missing, otherwise with
seeded ones: its time is the same, and its masks are compared all the same. Encodings alternate, so that the machine
cancels out; masks are of a box around every object.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sam_infer.errors import SamError
from sam_infer.models.load import BaseNetwork, load_network
from sam_infer.networks.runtimes.openvino_encoder import OpenVinoEncoder
from sam_infer.networks.runtimes.runtime import OPENVINO, TORCH, installed
from sam_infer.networks.sam_vit import build
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.weights.catalogue import KNOWN_MODELS
from sam_infer.weights.fingerprint import Fingerprint
from sam_trainer.labels.cases import Target, labelled_image, read_sources, targets_of
from sam_trainer.measures.overlap import dice
from sam_trainer.provenance import require_clean
from sam_trainer.reports.record import Report, spelled
from sam_trainer.simulation.prompt_styles import drawn
from sam_trainer.synthetic.patients import demo_studies

OUT = Path("benchmarks") / "results" / "encoders.json"
DEMO = Path("runs") / "demo"


def main() -> None:
    """Measure, and write a row for each model and runtime."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=Path, help="a folder of labelled studies folders (default: the demo's)")
    parser.add_argument("--models", default="mobile_sam,vit_b", help="comma-separated")
    parser.add_argument("--limit", type=int, default=1, help="objects per folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--allow-changed", action="store_true", help="measure a source tree that no commit names")
    options = parser.parse_args()
    require_clean(options.allow_changed)
    torch.set_num_threads(options.threads)
    started, rows = time.time(), []
    if not installed():
        sys.stdout.write("OpenVINO is missing (make openvino): torch alone is measured\n")
    sources = read_sources(options.studies or demo_studies(DEMO))
    targets = [target for source in sources for target in targets_of(source.cases[0])[: options.limit]]
    if not installed():
        sys.stdout.write("OpenVINO is missing (make openvino): torch alone is measured\n")
    targets = [
        target
        for source in read_sources(options.studies or demo_studies(DEMO))
        for target in targets_of(source.cases[0])[: options.limit]
    ]
    with tempfile.TemporaryDirectory(prefix="samlabel-encoders-") as folder:
        for model in options.models.split(","):
            rows += compared(network_of(model), targets, Path(folder) / model)
    sys.stdout.write("".join(f"{row}\n" for row in rows))
    told = {"studies": options.studies, "models": options.models, "limit": options.limit, "threads": options.threads}
    Report(spelled("benchmarks/encoders.py", told), 0, rows, started, {}).write(options.out)


def network_of(model: str) -> tuple[BaseNetwork, str]:
    """A model's weights, and which they are."""
    try:
        return load_network(model), "as added"
    except SamError:
        weights = seeded(build(KNOWN_MODELS[model].layout).state_dict())
        known = KNOWN_MODELS[model].preprocessing
        return BaseNetwork(model, weights, Fingerprint.of(weights, ("image_encoder.",), known)), "seeded"


def seeded(layout: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights of a layout that keep what goes through them in size."""
    draw, found = torch.Generator().manual_seed(0), {}
    for name, value in layout.items():
        if value.ndim == 1:
            ones = name.endswith("weight") or name.endswith("var")
            found[name] = torch.ones(value.shape) if ones else torch.zeros(value.shape)
        elif value.ndim:
            found[name] = torch.randn(value.shape, generator=draw) / max(1, value[0].numel()) ** 0.5
        else:
            found[name] = torch.zeros((), dtype=value.dtype)
    return found


def compared(found: tuple[BaseNetwork, str], targets: list[Target], folder: Path) -> list[dict[str, Any]]:
    """A row for torch, and one for OpenVINO: seconds of the processor per encoding, and the lowest Dice to torch."""
    base, weights = found
    runtimes = (TORCH, OPENVINO) if installed() else (TORCH,)
    networks = {name: replace(base, runtime=name, folder=folder).backbone() for name in runtimes}
    began = time.process_time()
    for thread in threading.enumerate():
        if thread.name == "convert-encoder":
            thread.join()
    conversion = time.process_time() - began
    for network in networks.values():
        encoder = getattr(network, "_encoder", None)
        if isinstance(encoder, OpenVinoEncoder) and not encoder.is_ready:
            raise SystemExit(f"{base.name}: OpenVINO cannot compute it")
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    alike = []
    for target in targets:
        volume, _ = labelled_image(target.case)
        prompts, masks = drawn(target.mask, "S5").on(target.view), {}
        for name, network in networks.items():
            started = time.process_time()
            masks[name] = Predictor(network, EmbeddingCache()).predict(volume, prompts, target.view.index).pixels
            seconds[name].append(time.process_time() - started)
        alike += [dice(mask, masks[TORCH]) for mask in masks.values() if mask.any() or masks[TORCH].any()]
    medians = {name: float(np.median(values)) for name, values in seconds.items()}
    return [
        {
            "source": "studies",
            "model": base.name,
            "weights": weights,
            "runtime": name,
            "n": len(targets),
            "cpu_seconds": round(medians[name], 3),
            "share_of_torch": round(medians[name] / medians[TORCH], 3),
            "lowest_dice": round(min(alike, default=1.0), 5) if name == OPENVINO else 1.0,
            "conversion_cpu_seconds": round(conversion, 1) if name == OPENVINO else 0.0,
        }
        for name in networks
    ]


if __name__ == "__main__":
    main()
