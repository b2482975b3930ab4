"""Two vectors per case for diversity sampling: mean embedding (what it looks like) and gradient (BADGE).

`looks` is the mean embedding of what the automatic mask covers beside the mean of everything: cases that look alike
are close. `pull` is the gradient of a linear read-out of the embedding if the automatic mask were right (BADGE,
arXiv 1906.03671): its length says how unsure the network is, its direction about what. Both are means over a region,
so the size of a volume does not enter.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from sam_infer.arrays import Float64Array
from sam_infer.networks.backbone import Features
from sam_infer.uncertainty.measures import Evidence


def coarsest(features: Features) -> torch.Tensor:
    """The embedding's map with the fewest places (C, h, w)."""
    return min((_three(values) for values in features.values()), key=lambda m: m.shape[-1] * m.shape[-2])


def finest(features: Features) -> torch.Tensor:
    """The embedding's map with the most places (C, h, w)."""
    return max((_three(values) for values in features.values()), key=lambda m: m.shape[-1] * m.shape[-2])


def looks_of(features: Features, drawn: Float64Array, valid: Float64Array) -> Float64Array:
    """Mean embedding of a mask and of everything, (2 C,); both maps are (l, l) shares in the embedding's frame."""
    values = coarsest(features)
    flat = values.reshape(values.shape[0], -1).double().numpy()
    size = (int(values.shape[-2]), int(values.shape[-1]))
    parts = []
    for share in (drawn, valid):
        weight = _resized(share, size).ravel()
        parts.append(flat @ weight / weight.sum() if weight.sum() > 1e-9 else np.zeros(len(flat)))
    return np.concatenate(parts)


def pull_of(features: Features, evidence: Evidence) -> Float64Array:
    """Mean over the region of (probability - mask) times the embedding there, (C,)."""
    shape = evidence.drawn.shape
    values = F.interpolate(finest(features)[None], shape, mode="bilinear", align_corners=False)[0].double().numpy()
    region = evidence.region
    residual = (evidence.probability - (evidence.drawn > 0.5))[region]
    return np.asarray(values[:, region] @ residual / max(int(region.sum()), 1))


def unit(vector: Float64Array) -> Float64Array:
    """A vector of length 1; zero stays zero."""
    length = float(np.linalg.norm(vector))
    return vector / length if length > 1e-12 else vector


def _three(values: torch.Tensor) -> torch.Tensor:
    values = values.float()
    return values[0] if values.ndim == 4 else values if values.ndim == 3 else values[None]


def _resized(share: Float64Array, size: tuple[int, int]) -> Float64Array:
    tensor = torch.from_numpy(np.ascontiguousarray(share, np.float32))[None, None]
    return np.asarray(F.interpolate(tensor, size, mode="area")[0, 0].double().numpy())
