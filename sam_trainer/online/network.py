"""The learner's network: a narrow U-Net that sees the picture and the network's answer, and says what to change.

It begins with changing nothing: its last layer is zero, and what it says is added to the network's logits. So five
labels move the outline instead of having to find it. The paper's has 17 million parameters and larger pictures: some
250 times the operations. `samlabel bench stream` measures what an update of this one takes.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

# Channels at the picture's own resolution; each of the next ones has twice as many at half of it.
WIDTH = 8
LEVELS = 4


class AuxNet(nn.Module):
    """Pictures and logits to logits."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        sizes = [width * 2**level for level in range(LEVELS)]
        self.first = _unit(4, sizes[0])
        self.down = nn.ModuleList(_unit(a, b) for a, b in pairwise(sizes))
        self.up = nn.ModuleList(_unit(a + b, a) for a, b in pairwise(sizes))
        self.last = nn.Conv2d(sizes[0], 1, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias if self.last.bias is not None else torch.zeros(1))

    def forward(self, pictures: Tensor, logits: Tensor) -> Tensor:
        """Pictures (B, 3, S, S) of 0..255 and the network's logits (B, 1, S, S) to logits (B, 1, S, S)."""
        seen = torch.cat([pictures / 127.5 - 1.0, torch.where(logits > 0, 1.0, -1.0)], dim=1)
        maps = [self.first(seen)]
        for step in self.down:
            maps.append(step(nn.functional.max_pool2d(maps[-1], 2)))
        deep = maps.pop()
        for step in reversed(self.up):
            beside = maps.pop()
            wide = interpolate(deep, size=beside.shape[-2:], mode="bilinear", align_corners=False)
            deep = step(torch.cat([beside, wide], dim=1))
        said: Tensor = self.last(deep)
        return logits + said


def _unit(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        nn.InstanceNorm2d(channels_out, affine=True),
        nn.ReLU(),
        nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False),
        nn.InstanceNorm2d(channels_out, affine=True),
        nn.ReLU(),
    )
