"""Distributed training: a process group whose worker ranks average their gradients.

One process per GPU, or on a CPU one thread per rank: two threads per process slow down under contention.
Ranks meet through `ignite.distributed` over gloo. Gradients are averaged in main memory, since an adapter is small.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import ignite.distributed as idist
import torch
from torch import Tensor, nn

# The others wait while the first one validates; of a large network on a CPU that takes long.
PATIENCE = timedelta(hours=6)


@dataclass(frozen=True)
class ProcessGroup:
    """This process's rank among `size`."""

    rank: int = 0
    size: int = 1

    def join(self, meeting: Path) -> None:
        """Meet the others; `meeting` is a file that all can reach and that does not exist yet."""
        if self.size > 1:
            where = f"file://{meeting.resolve()}"
            idist.initialize("gloo", init_method=where, rank=self.rank, world_size=self.size, timeout=PATIENCE)

    def leave(self) -> None:
        """Part; one that never joined may too. This process can join another group then."""
        if self.size > 1:
            idist.finalize()

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace every tensor by its mean over the group."""
        if self.size == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([t.reshape(-1).cpu() for t in tensors])
        flat = idist.all_reduce(flat) / self.size
        offset = 0
        for t in tensors:
            t.copy_(flat[offset : offset + t.numel()].view_as(t))
            offset += t.numel()

    def agree(self, value: float) -> float:
        """The first member's value, for all."""
        if self.size == 1:
            return value
        return float(idist.broadcast(torch.tensor([value], dtype=torch.float64), src=0))


def gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """Every parameter's gradient; zeros where a step left one out."""
    out = []
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        out.append(parameter.grad)
    return out
