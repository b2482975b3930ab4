"""Scribbles (brush strokes): sampled as points for the network, enforced as hard constraints on the mask.

A network takes a handful of points, a stroke has thousands of voxels. So a few well-spread voxels of each stroke
become points, and the stroke itself is a promise: what was painted as the object is in the answer, what was painted
as background is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import Int64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_infer.prompts.object_prompts import BACKGROUND, FOREGROUND

# Values of the painted mask; 0 is what the reader did not touch.
SURELY_INSIDE, SURELY_OUTSIDE = 1, 2

# More points per stroke tell a network little and cost time.
POINTS_PER_STROKE = 6

# A filled 1024 x 1024 slice is about a million voxels; more is a mistake of the client.
MAX_STROKE_VOXELS = 1_000_000


@dataclass(frozen=True, eq=False)
class Scribble:
    """Voxels (N, 3) painted as the object and as background; either may be empty."""

    inside: Int64Array
    outside: Int64Array

    def __post_init__(self) -> None:
        for name, stroke in (("foreground_scribble", self.inside), ("background_scribble", self.outside)):
            if len(stroke) > MAX_STROKE_VOXELS:
                raise PromptError(f"{name} has {len(stroke)} voxels, more than the {MAX_STROKE_VOXELS} allowed", name)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was painted."""
        return not len(self.inside) and not len(self.outside)

    def checked(self, geometry: Geometry) -> Scribble:
        """These strokes, all of them inside the grid."""
        for name, stroke in (("foreground_scribble", self.inside), ("background_scribble", self.outside)):
            if len(stroke) and not geometry.contains(stroke):
                raise PromptError(f"{name} leaves the image of {geometry.shape} voxels", name)
        return self

    def on_slice(self, axis: int, index: int) -> Scribble:
        """What was painted on one slice."""
        return Scribble(self.inside[self.inside[:, axis] == index], self.outside[self.outside[:, axis] == index])

    def points(self, geometry: Geometry) -> tuple[Int64Array, Int64Array]:
        """A few voxels of each stroke (N, 3) and their labels (N,), as points for a network."""
        inside = spread(self.inside, geometry, POINTS_PER_STROKE)
        outside = spread(self.outside, geometry, POINTS_PER_STROKE)
        labels = np.repeat([FOREGROUND, BACKGROUND], [len(inside), len(outside)]).astype(np.int64)
        return np.concatenate([inside, outside]), labels

    def painted(self, geometry: Geometry) -> Mask | None:
        """The strokes as a mask of the image; background wins where both were painted."""
        if self.is_empty:
            return None
        mask = Mask.empty(geometry)
        mask.array[tuple(self.inside.T)] = SURELY_INSIDE
        mask.array[tuple(self.outside.T)] = SURELY_OUTSIDE
        return mask


def spread(voxels: Int64Array, geometry: Geometry, count: int) -> Int64Array:
    """At most `count` of the voxels (N, 3), far from each other in mm; the order they came in does not matter.

    The first is the one nearest to the middle of the stroke, each next one the farthest from those chosen.
    """
    if len(voxels) <= 1:
        return voxels
    voxels = np.unique(voxels, axis=0)
    places = voxels * np.asarray(geometry.spacing_mm)
    chosen = [int(np.linalg.norm(places - places.mean(axis=0), axis=1).argmin())]
    nearest = np.linalg.norm(places - places[chosen[0]], axis=1)
    while len(chosen) < min(count, len(voxels)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(places - places[chosen[-1]], axis=1))
    return np.asarray(voxels[chosen])
