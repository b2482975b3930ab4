"""What computes an image encoder: torch, torch's compiler, or OpenVINO where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the words are read before torch is loaded
    import torch

# `kept` is OpenVINO where it has the encoder already: for a process that ends before one would be converted.
AUTO, TORCH, COMPILED, OPENVINO, KEPT = "auto", "torch", "compiled", "openvino", "kept"

# What a setting may say; `compile` is a setting of its own.
RUNTIMES = (AUTO, TORCH, OPENVINO)

# Images (N, 3, S, S) to embeddings.
Encode = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True)
class Runtime:
    """A choice, and where encoders that were converted are kept."""

    name: str = TORCH
    folder: Path | None = None

    @property
    def suffix(self) -> str:
        """Part of an encoder's identity: OpenVINO's features are torch's, a compiler's are nearly so."""
        return "-compiled" if self.name == COMPILED else ""

    def encoder(self, network: torch.nn.Module, side: int, identity: str, slices: int) -> Encode:
        """What encodes; a stack of slices is torch's matter, and so is everything on a GPU."""
        import torch

        if self.name == COMPILED:
            compiled: Encode = torch.compile(network)
            return compiled
        if self.name not in (AUTO, OPENVINO, KEPT) or self.folder is None or not installed():
            return network
        if slices > 1 or torch.cuda.is_available():
            return network
        from sam_infer.networks.runtimes.openvino_encoder import OpenVinoEncoder

        return OpenVinoEncoder(network, side, self.folder / f"{identity}.xml", converts=self.name != KEPT)


def installed() -> bool:
    """Whether OpenVINO is there."""
    return find_spec(OPENVINO) is not None
