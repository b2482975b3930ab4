"""What the tests of models and weight files share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

from sam_infer.networks.sam_vit import build

State = dict[str, torch.Tensor]


def seeded(state: Mapping[str, torch.Tensor], seed: int = 0) -> State:
    """Random weights that keep activations of order one, so that differences in any layer reach the output."""
    generator = torch.Generator().manual_seed(seed)
    return {name: _tensor(name, like, generator) for name, like in state.items()}


def _tensor(name: str, like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if not like.dtype.is_floating_point:
        return torch.zeros(like.shape, dtype=like.dtype)
    values = torch.randn(like.shape, generator=generator)
    if name.endswith("running_var"):
        return values.abs() + 0.5
    if like.ndim == 1:
        return 0.1 * values + (1.0 if name.endswith("weight") else 0.0)
    return values if "embed" in name or "token" in name else values / like[0].numel() ** 0.5


@pytest.fixture(scope="module", autouse=True)
def alone(one_thread: None) -> None:
    """Networks here are small."""


@pytest.fixture(scope="session")
def seeded_weights() -> Callable[..., State]:
    return seeded


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A folder for large files, gone after the session: pytest would keep three of its own."""
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def mobile_state() -> State:
    return seeded(build("mobile_sam").state_dict())


@pytest.fixture(scope="session")
def mobile_file(scratch: Path, mobile_state: State) -> Path:
    """A weight file of MobileSAM's layout, 40 MB."""
    path = scratch / "trained_here.pt"
    torch.save(mobile_state, path)
    return path
