"""Dense prompt encoding: points, boxes and prior masks drawn as maps for a small convolutional decoder."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

# Maps drawn by `draw_prompts`.
MAPS = 8

# Standard deviations of a click's spot, in shares of the frame's side: its place, and its neighbourhood.
SPOT_SHARES = (1 / 64, 1 / 16)

# Mask logits are squashed before they are drawn: beyond this they only say "sure".
SURE_LOGIT = 4.0


@dataclass(frozen=True, eq=False)
class DrawnPrompts:
    """What was said about N objects, in shares of the frame's side, and drawn."""

    points: Tensor  # (N, n, 2)
    labels: Tensor  # (N, n) 1, 0, or -1 for padding
    maps: Tensor  # (N, MAPS, h, h)


def draw_prompts(points: Tensor, labels: Tensor, boxes: Tensor, mask: Tensor) -> DrawnPrompts:
    """Prompts of N objects as maps as fine as `mask`.

    `points` (N, n, 2) and `boxes` (N, 4) are in shares of the frame's side, measured from its corner; `labels` (N, n)
    are 1, 0 or -1 for padding; `mask` (N, 1, h, h) are logits. A box or mask of NaN is absent.
    """
    side = mask.shape[-1]
    centres = (torch.arange(side, device=points.device, dtype=torch.float32) + 0.5) / side
    has_mask = mask[:, 0].isfinite()
    maps = [_box_fill(boxes, side)]
    maps += [_spots(points, labels == wanted, share, centres) for wanted in (1, 0) for share in SPOT_SHARES]
    maps.append(torch.tanh(torch.nan_to_num(mask[:, 0]) / SURE_LOGIT))
    maps.append(has_mask.float())
    maps.append(boxes[:, :1, None].isfinite().float().expand(-1, side, side))
    return DrawnPrompts(points, labels, torch.stack(maps, dim=1))


def _box_fill(boxes: Tensor, side: int) -> Tensor:
    """Covered share of every pixel (N, h, h)."""
    edges = torch.nan_to_num(boxes) * side
    left = torch.arange(side, device=boxes.device, dtype=torch.float32)
    across = (torch.minimum(left + 1, edges[:, 2:3]) - torch.maximum(left, edges[:, 0:1])).clamp(0, 1)
    down = (torch.minimum(left + 1, edges[:, 3:4]) - torch.maximum(left, edges[:, 1:2])).clamp(0, 1)
    return down[:, :, None] * across[:, None, :]


def _spots(points: Tensor, used: Tensor, share: float, centres: Tensor) -> Tensor:
    """The nearest used point's Gaussian (N, h, h)."""
    fall = torch.exp(-0.5 * ((points[..., None] - centres) / share).square())
    # and one that is nowhere, so that there is one where nobody clicked
    across, down = F.pad(fall[:, :, 0] * used[..., None], (0, 0, 0, 1)), F.pad(fall[:, :, 1], (0, 0, 0, 1))
    return (down[..., None] * across[:, :, None, :]).amax(dim=1)
