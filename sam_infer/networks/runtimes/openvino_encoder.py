"""Image encoders in OpenVINO: the same features for half of the processor time.

A network is converted once, by a thread in the background: torch answers until then, and for good where it cannot be
converted or where the features differ. What was converted is kept beside the weights.
"""

from __future__ import annotations

import copy
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import structlog
import torch
from torch import Tensor, nn

log = structlog.get_logger(__name__)

# Features of one picture may differ by so much, as a share of the largest one: a tenth of what masks could show.
LEAST_ALIKE = 1e-3

# Converted encoders that are kept beside the weights: each is as large as they are.
MOST_KEPT = 2


class OpenVinoEncoder:
    """Images (N, 3, S, S) to embeddings; any number of threads may call it."""

    def __init__(self, network: nn.Module, side: int, path: Path, converts: bool = True) -> None:
        self._network = network
        self._side = side
        self._path = path
        self._compiled: Any = None
        if path.is_file():
            self._read()
        if self._compiled is None and converts:
            threading.Thread(target=self._convert, name="convert-encoder", daemon=True).start()

    @property
    def is_ready(self) -> bool:
        """Whether OpenVINO computes, not torch."""
        return self._compiled is not None

    def __call__(self, images: Tensor) -> Tensor:
        """The embeddings, image by image: the shape of one is what was converted."""
        compiled = self._compiled
        if compiled is None:
            said: Tensor = self._network(images)
            return said
        return torch.cat([run(compiled, image[None]) for image in images])

    def _read(self) -> None:
        try:
            self._compiled = compiled_for_here(runtime().Core().read_model(self._path))
        except Exception as error:  # noqa: BLE001 - a damaged file, or one of another version: made again
            log.warning("the converted encoder cannot be read", file=self._path.name, reason=str(error)[:200])

    def _convert(self) -> None:
        """Off the way of clicks: on a copy, for the conversion changes what it looks at."""
        try:
            network = copy.deepcopy(self._network).requires_grad_(False).eval()
            picture = noise(self._side)
            with warnings.catch_warnings():  # what a trace could miss is compared below
                warnings.simplefilter("ignore")
                model = runtime().convert_model(network, example_input=picture, input=list(picture.shape))
            compiled = compiled_for_here(model)
            with torch.inference_mode():
                wanted, found = network(picture), run(compiled, picture)
            off = float((wanted - found).abs().max() / wanted.abs().max())
            if not off < LEAST_ALIKE:  # nor where it is no number
                log.warning("the converted encoder differs: torch goes on", off=off)
                return
            self._keep(model)
            self._compiled = compiled
            log.info("OpenVINO encodes from now on", off=off)
        except Exception as error:  # noqa: BLE001 - whatever stands in the way, torch goes on
            log.warning("the encoder was not converted: torch goes on", reason=str(error)[:200])

    def _keep(self, model: Any) -> None:
        """For the next start; what others are kept is as old as the adapters that they were made for."""
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part = self._path.with_name(f".{self._path.name}")
            runtime().save_model(model, part, compress_to_fp16=False)
            part.with_suffix(".bin").replace(self._path.with_suffix(".bin"))
            part.replace(self._path)
            kept = sorted(folder.glob("[!.]*.xml"), key=lambda file: file.stat().st_mtime)
            for old in kept[:-MOST_KEPT]:
                old.unlink()
                old.with_suffix(".bin").unlink(missing_ok=True)
        except OSError as error:  # a full disk costs the next start a conversion
            log.warning("the converted encoder is not kept", reason=str(error)[:200])


def runtime() -> Any:
    """OpenVINO, without what tells its makers how it is used."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type] # Python's own way to say: not there
    import openvino

    return openvino


def compiled_for_here(model: Any) -> Any:
    """A model for this processor, exact, with as many threads as torch has."""
    hints = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    return runtime().Core().compile_model(model, "CPU", hints)


def run(compiled: Any, image: Tensor) -> Tensor:
    """One image through a compiled model, by a request of its own: others may be under way."""
    (found,) = compiled.create_infer_request().infer([image.numpy()]).values()
    return torch.tensor(found)


def noise(side: int) -> Tensor:
    """A picture that has something of everything."""
    return torch.randn((1, 3, side, side), generator=torch.Generator().manual_seed(0))
