"""An accepted slice as those who learn from it see it: its embedding on one grid, and each label's share of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from sam_infer.arrays import Float64Array, UInt8Array
from sam_infer.networks.backbone import Features


@dataclass(frozen=True, eq=False)
class EmbeddedSlice:
    """One accepted slice: its embedding, and its label values (S, S) in the embedding's frame."""

    features: Features
    values: UInt8Array


def stacked(features: Features, side: int) -> Float64Array:
    """All maps of an embedding at `side` x `side`, with a constant: (side * side, C)."""
    maps = []
    for name in sorted(features):
        values = features[name].float()
        values = values[None] if values.ndim == 3 else values
        values = values[None] if values.ndim == 3 else values
        maps.append(F.interpolate(values, (side, side), mode="bilinear", align_corners=False)[0])
    maps.append(torch.ones(1, side, side))
    return torch.cat(maps).reshape(-1, side * side).T.double().numpy()


def embedding_maps(features: Features, side: int) -> torch.Tensor:
    """The same as maps (C, side, side), in single precision."""
    flat = stacked(features, side)
    return torch.from_numpy(np.ascontiguousarray(flat.T)).float().reshape(-1, side, side)


def label_shares(values: UInt8Array, labels: int, side: int) -> torch.Tensor:
    """The share of each pixel that each label covers: (labels, side, side)."""
    masks = torch.from_numpy(np.stack([values == n for n in range(1, labels + 1)])).float()
    return F.interpolate(masks[None], (side, side), mode="area")[0]
