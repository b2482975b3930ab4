"""Where an object is expected on the next slice, before the network is asked.

A network that is given the box of the slice before fills it: boxes that are too wide stay too wide, and masks drift.
So the earlier mask is first adapted to the next slice: an edge moves to where intensities change from the object's to
those of its surroundings, held back by the distance it moved. Where both look alike it stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sam_infer.likeness import Likeness, surroundings

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ForecastPolicy:
    """How far and how easily an edge may move from one slice to the next."""

    reach: float = 0.15  # distance at which the shape pulls back fully, as a share of the square root of the area
    least: float = 1.5  # but at least so many pixels
    stiffness: float = 1.0  # the pull back at that distance, against evidence
    blur: float = 0.8  # pixels, against noise


def forecast(
    prior: BoolArray, pixels: npt.NDArray[Any], models: Sequence[Likeness], policy: ForecastPolicy
) -> BoolArray:
    """The earlier mask (H, W) adapted to the pixels of the next slice; connected to the earlier one, without holes."""
    if not models or not prior.any():
        return prior
    rows, cols = surroundings(prior)
    inside, part = prior[rows, cols], pixels[rows, cols]
    reach = max(policy.least, policy.reach * float(np.sqrt(inside.sum())))
    evidence = np.mean([model.evidence(part) for model in models], axis=0)
    depth = signed_distance(inside)
    expected = ndimage.gaussian_filter(evidence, policy.blur) + policy.stiffness * depth / reach > 0
    expected = _joined(ndimage.binary_opening(expected & (depth > -2 * reach)), inside)
    out = np.zeros_like(prior)
    out[rows, cols] = ndimage.binary_fill_holes(expected)
    return out


def signed_distance(mask: BoolArray) -> npt.NDArray[np.float64]:
    """Distance in pixels (H, W) to the edge of a mask, positive inside."""
    padded = np.pad(mask, 1)
    within, without = ndimage.distance_transform_edt(padded), ndimage.distance_transform_edt(~padded)
    return np.asarray((np.where(padded, within - 0.5, 0.5 - without))[1:-1, 1:-1])


def _joined(mask: BoolArray, prior: BoolArray) -> BoolArray:
    """The pieces of a mask that touch the earlier one."""
    labels, _ = ndimage.label(mask)
    met = np.unique(labels[prior & mask])
    return np.asarray(np.isin(labels, met[met > 0]))
