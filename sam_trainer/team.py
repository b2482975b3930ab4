"""Several processes of one thread each train one model: two threads in one process lose to any other busy process."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class Team:
    """This process's place among `size`."""

    rank: int = 0
    size: int = 1

    def join(self, meeting: Path) -> None:
        """Meet the others; `meeting` is a file that all can reach and that does not exist yet."""
        if self.size > 1:
            where = f"file://{meeting.resolve()}"
            dist.init_process_group("gloo", init_method=where, rank=self.rank, world_size=self.size)

    def leave(self) -> None:
        """Part."""
        if self.size > 1:
            dist.destroy_process_group()

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace every tensor by its mean over the team."""
        if self.size == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        offset = 0
        for t in tensors:
            t.copy_(flat[offset : offset + t.numel()].view_as(t))
            offset += t.numel()

    def agree(self, value: float) -> float:
        """The first member's value, for all."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64)
        dist.broadcast(shared, 0)
        return float(shared)


def gradients(model: nn.Module) -> list[Tensor]:
    """Every parameter's gradient; zeros where a step left one out."""
    out = []
    for parameter in model.parameters():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        out.append(parameter.grad)
    return out
