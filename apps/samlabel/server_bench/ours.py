"""Launch of our own server for the benchmark, started as anybody starts it, with a home of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from segment_anything import sam_model_registry

from sam_infer.weights.available import EMBEDDED
from sam_infer.weights.store import ModelStore
from samlabel.server_bench.server_process import Launch, ServerError


def launch(folder: Path, studies: Path, model: str, threads: int) -> Launch:
    """`samlabel serve` on a studies folder; a home that was used before is a warm disk cache."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    _with_weights(home, model)
    command = [sys.executable, "-m", "samlabel", "serve", "--studies", str(studies), "--port", "{port}"]
    environ = {**os.environ, "SAMLABEL_HOME": str(home), "OMP_NUM_THREADS": str(threads)}
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a server is not compiled anew at every start
    return Launch("samlabel", model, [*command, "--model", model], environ, folder)


def _with_weights(home: Path, model: str) -> None:
    """Seeded random weights in the published file's form: what is measured does not depend on their values."""
    if model == EMBEDDED or model in ModelStore(home).names():
        return
    if model not in sam_model_registry:
        raise ServerError(
            f"the bench has no weights for {model!r}; choose from {EMBEDDED}, vit_b, vit_l, vit_h", "model"
        )
    torch.manual_seed(0)
    file = home / "random.pth"  # under the published name the published bytes are expected
    torch.save(sam_model_registry[model]().state_dict(), file)
    ModelStore(home).add(file, model)
    file.unlink()
