"""Feature similarity to the prompted points and areas, as extra maps for the decoder."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Similarity to foreground clicks, to background clicks, to the box's middle, to the previous mask.
SIMILARITY_MAPS = 4

KEY_CHANNELS = 32


class Similarity(nn.Module):
    """Feature similarity to the clicked points, as an extra map for the decoder."""

    def __init__(self, width: int, middle: int) -> None:
        super().__init__()
        self.parts = nn.Conv2d(middle, KEY_CHANNELS, 1)
        self.context = nn.Conv2d(width, KEY_CHANNELS, 1)
        self.describe = nn.Linear(KEY_CHANNELS, width)
        self.spread = nn.Conv2d(SIMILARITY_MAPS, middle, 3, 1, 1)
        # zero-initialised, so that training starts from the decoder without this branch
        for layer in (self.describe, self.spread):
            nn.init.zeros_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def forward(
        self, maps: tuple[Tensor, Tensor], points: Tensor, labels: Tensor, drawn: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What to add to the stride 8 map (N, middle, h, w) and to the point tokens (N, n, width).

        `maps` are the image at strides 8 and 16, (N or 1, C, h, w); `points` (N, n, 2) in shares of the side;
        `drawn` (N, MAPS, 2h, 2w) as `draw_prompts` makes them.
        """
        keys = self.keys(maps)
        under = sampled(keys, points)
        alike = torch.einsum("nkc,nchw->nkhw", under, keys.expand(len(points), -1, -1, -1))
        maps_out = [_strongest(alike, labels == 1), _strongest(alike, labels == 0)]
        for area in (drawn[:, 0], drawn[:, 5].clamp(min=0)):
            maps_out.append(_like_area(keys, F.avg_pool2d(area, 2)))
        return self.spread(torch.stack(maps_out, dim=1)), self.describe(under) * (labels >= 0)[..., None]

    def keys(self, maps: tuple[Tensor, Tensor]) -> Tensor:
        """What every place of stride 8 looks like (N or 1, KEY_CHANNELS, h, w), of length 1."""
        middle, coarse = maps
        keys = self.parts(middle) + self.context(coarse).repeat_interleave(2, -1).repeat_interleave(2, -2)
        return F.normalize(keys.float(), dim=1)


def sampled(keys: Tensor, points: Tensor) -> Tensor:
    """Keys (N or 1, C, h, w) at points (N, n, 2): (N, n, C)."""
    grid = (2 * points - 1)[:, :, None]
    found = F.grid_sample(keys.expand(len(points), -1, -1, -1), grid, padding_mode="border", align_corners=False)
    return found[..., 0].transpose(1, 2)


def _strongest(alike: Tensor, used: Tensor) -> Tensor:
    """The largest similarity (N, h, w) to any used point of (N, n, h, w); zero where there is none."""
    least = alike.new_full((alike.shape[0], 1, *alike.shape[2:]), -1.0)  # so that there is one where nobody clicked
    best = torch.cat([torch.where(used[..., None, None], alike, -1.0), least], dim=1).amax(dim=1)
    return torch.where(used.any(dim=1)[:, None, None], best, 0.0)


def _like_area(keys: Tensor, area: Tensor) -> Tensor:
    """Similarity (N, h, w) to the mean key of an area (N, h, w) with weights in 0..1."""
    weight = area / (area.sum((-2, -1), keepdim=True) + 1e-3)
    mean = torch.einsum("nchw,nhw->nc", keys.expand(len(area), -1, -1, -1), weight)
    return torch.einsum("nc,nchw->nhw", mean, keys.expand(len(area), -1, -1, -1))
