"""Many objects on one slice, each meant by one click: what no click changes is computed once.

The numbers are those of `TinySam.decode` but for rounding. What one click draws are two round spots, each a row times a
column, so that the two convolutions over them are small matrices; channels lie side by side in memory, as the places
of the transformer do; and a few clicks are decoded together, so that their maps stay near the processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sam_infer.networks.layers import Up, side_by_side
from sam_infer.networks.tiny.model import INPUT_SIZE, TinySam
from sam_infer.networks.tiny.prompt_maps import SPOT_SHARES
from sam_infer.networks.tiny.similarity import sampled
from sam_infer.networks.tiny.two_way import two_way

# So many clicks at once: the maps of more do not stay in a processor's cache.
TOGETHER = 8

# The channels of a drawn prompt that a foreground click fills: see `draw_prompts`.
SPOTS = slice(1, 1 + len(SPOT_SHARES))

Maps = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class ManyClicks:
    """A slice that is clicked at; maps at strides 4, 8 and 16 as far as no click changes them."""

    model: TinySam
    shared: Maps  # (1, C, h, w)
    keys: Tensor  # (1, K, h, w) at stride 8
    strokes: Tensor  # (taps spots, taps channels) what a spot's row and column make of it
    position: Tensor  # (1, places, width)

    @classmethod
    def on(cls, model: TinySam, features: Mapping[str, Tensor]) -> ManyClicks:
        """The slice whose features these are."""
        decoder, likeness = model.mask_decoder, model.mask_decoder.likeness
        fine, middle, coarse = features["stride4"], features["stride8"], features["stride16"]
        drawn, seen = decoder.draw, cast(nn.Conv2d, decoder.look4[0])
        shared4 = F.conv2d(fine + _bias(drawn), seen.weight, padding=1)
        shared8 = middle + _bias(likeness.spread)
        shared16 = coarse + model.prompt_encoder.no_mask_embed.weight.view(1, -1, 1, 1)
        # first what is drawn, then how it is seen: (spot, x x', y y', channel)
        strokes = torch.einsum("cmqt,msyx->sxtyqc", seen.weight, drawn.weight[:, SPOTS])
        grid = (coarse.shape[-2], coarse.shape[-1])
        position = model.prompt_encoder.pe_layer(grid).flatten(1).t()[None]
        maps = (side_by_side(shared4), side_by_side(shared8), side_by_side(shared16))
        taps = drawn.kernel_size[0] * seen.kernel_size[0]
        return cls(model, maps, likeness.keys((middle, coarse)), strokes.reshape(len(SPOT_SHARES), taps, -1), position)

    def decode(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, M, 4g, 4g) and predicted IoU (N, M) of clicks (N, 2) in model pixels (x, y)."""
        side = 16 * self.shared[2].shape[-1]
        shares = (points + 0.5) / side
        labels = torch.ones(len(points), 1, dtype=torch.int64, device=points.device)
        nowhere = points.new_full((len(points), 4), torch.nan)
        sparse = self.model._tokens(((points + 0.5) * (INPUT_SIZE / side) - 0.5)[:, None], labels, nowhere)
        parts = []
        for some, tokens in zip(shares.split(TOGETHER), sparse.split(TOGETHER), strict=True):
            parts.append(self._decoded(some, tokens))
        logits, scores = zip(*parts, strict=True)
        return torch.cat(logits), torch.cat(scores)

    def _decoded(self, points: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
        """The decoder's forward pass."""
        decoder = self.model.mask_decoder
        likeness = decoder.likeness
        under = sampled(self.keys, points[None])[0]
        alike = torch.einsum("nc,chw->nhw", under, self.keys[0])[:, None]
        around = F.unfold(alike, 3, padding=1).transpose(1, 2)  # one channel is too few for a fast convolution
        spread = F.linear(around, likeness.spread.weight[:, 0].flatten(1)).transpose(1, 2)
        tokens = torch.cat([sparse[:, :1] + likeness.describe(under)[:, None], sparse[:, 1:]], dim=1)
        x4 = self._seen(points)
        x8 = decoder.down8(x4).add_(self.shared[1]).add_(spread.unflatten(2, alike.shape[2:]))
        x8 = decoder.look8(x8)
        x16 = decoder.down16(x8).add_(self.shared[2])
        places = x16.permute(0, 2, 3, 1).flatten(1, 2)
        places = decoder.context(places)
        told = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        tokens = torch.cat([told.expand(len(points), -1, -1), tokens], dim=1)
        tokens, places = two_way(decoder.transformer, places, self.position, tokens)
        grid = x16.shape[-2:]
        y16 = places.unflatten(1, grid).permute(0, 3, 1, 2)
        return decoder.answer(tokens, _raised(decoder.up4, _raised(decoder.up8, y16, x8), x4))

    def _seen(self, points: Tensor) -> Tensor:
        """The finest map: the slice and what the click draws, looked at."""
        look = self.model.mask_decoder.look4
        side = self.shared[0].shape[-1]
        across, down = (_strokes(points[:, axis], side) for axis in (0, 1))  # (N, spots, side, taps)
        taps, channels = across.shape[-1], self.shared[0].shape[1]
        columns = (across @ self.strokes).unflatten(-1, (taps, channels)).transpose(2, 3)  # (N, spots, taps, side, C)
        rows = down.transpose(1, 2).flatten(2)
        drawn = (rows @ columns.reshape(len(points), -1, side * channels)).view(-1, side, side, channels)
        drawn += self.shared[0].permute(0, 2, 3, 1)
        return torch.relu_(look[1](drawn.permute(0, 3, 1, 2)))


def _bias(convolution: nn.Conv2d) -> Tensor:
    """To be added to maps."""
    return cast(Tensor, convolution.bias).view(1, -1, 1, 1)


def _raised(up: Up, x: Tensor, skip: Tensor) -> Tensor:
    """`Up` in place."""
    widen, shuffle = cast(nn.Conv2d, up.expand[0]), up.expand[1]
    wide = F.linear(x.permute(0, 2, 3, 1), widen.weight.flatten(1), widen.bias).permute(0, 3, 1, 2)
    refined: Tensor = up.refine(up.mix(shuffle(wide).add_(skip)))
    return refined


def _strokes(centres: Tensor, side: int) -> Tensor:
    """A spot along one axis, moved by two taps of three, zero beyond the edge after each: (N, spots, side, 9)."""
    places = (torch.arange(side, device=centres.device, dtype=torch.float32) + 0.5) / side
    shares = torch.tensor(SPOT_SHARES, device=centres.device)[:, None]
    fall = torch.exp(-0.5 * ((centres[:, None, None] - places) / shares).square())
    once = F.pad(fall, (1, 1)).unfold(-1, 3, 1)  # (N, spots, side, drawn's tap)
    return F.pad(once, (0, 0, 1, 1)).unfold(-2, 3, 1).flatten(-2)
