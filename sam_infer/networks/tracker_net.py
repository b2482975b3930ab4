"""Tracker network: predicts an object's mask on the next slice from both slices and its mask on the first.

It is shown both slices, the mask on the first, and how much the intensities of the second speak for the object as it
was pointed at. It knows nothing of prompts and of what objects are: that is the backbone's part.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# The window around the object that it sees, in its own pixels.
SIDE = 64

# Slice before, next slice, mask before (-1..1), evidence on the next slice (-1..1).
CHANNELS = 4


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class TrackerNet(nn.Module):
    """A U-Net of three steps down."""

    def __init__(self, widths: tuple[int, int, int, int] = (24, 48, 72, 96)) -> None:
        super().__init__()
        inputs = (CHANNELS, *widths[:-1])
        self.down = nn.ModuleList(_block(i, o) for i, o in zip(inputs, widths, strict=True))
        self.up = nn.ModuleList(_block(widths[n] + widths[n + 1], widths[n]) for n in reversed(range(3)))
        self.head = nn.Conv2d(widths[0], 1, 1)

    def forward(self, shown: Tensor) -> Tensor:
        """Logits (B, 1, SIDE, SIDE) of the object on the next slice for (B, CHANNELS, SIDE, SIDE)."""
        levels = [self.down[0](shown)]
        for block in list(self.down)[1:]:
            levels.append(block(nn.functional.max_pool2d(levels[-1], 2)))
        x = levels.pop()
        for block in self.up:
            wider = nn.functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([levels.pop(), wider], dim=1))
        out: Tensor = self.head(x)
        # The object is mostly where it was: the network learns the change.
        return out + 2.0 * shown[:, 2:3]
