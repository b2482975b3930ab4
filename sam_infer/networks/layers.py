"""Convolution blocks that the embedded network and the semantic head share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Group normalisation treats every image alone, so scans unlike the training scenes do not inherit their statistics.
GROUPS = 8


def conv_norm(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
    """3x3 convolution, group normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False),
        nn.GroupNorm(GROUPS, channels_out),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """Two 3x3 convolutions on a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_norm(channels, channels, 1)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm = nn.GroupNorm(GROUPS, channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape."""
        return F.relu_(self.norm(self.second(self.first(x))).add_(x))  # memory written anew costs as much as arithmetic


class Up(nn.Module):
    """Twice the resolution with fewer channels, plus a skip; a pixel shuffle costs a fifth of a bilinear step here."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(channels_in, 4 * channels_out, 1), nn.PixelShuffle(2))
        self.mix = conv_norm(channels_out, channels_out, 1)
        self.refine = Residual(channels_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(B, channels_in, h, w) and skip (B, channels_out, 2h, 2w) to the skip's shape."""
        return self.refine(self.mix(self.expand(x) + skip))


def mlp(width_in: int, hidden: int, width_out: int) -> nn.Sequential:
    """Three linear layers."""
    return nn.Sequential(
        nn.Linear(width_in, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, width_out)
    )


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, h, w) to (B, h * w, C)."""
    return x.flatten(2).transpose(1, 2)


def side_by_side(values: Tensor) -> Tensor:
    """Maps and weights of convolutions whose channels are neighbours in memory, which is faster; all else as it is."""
    return values.contiguous(memory_format=torch.channels_last) if values.ndim == len("NCHW") else values
