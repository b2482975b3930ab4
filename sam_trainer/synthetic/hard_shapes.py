"""Synthetic volumes with shapes that are hard to follow from slice to slice (propagation tests).

Each scene is one target (label 1) around the origin in soft tissue, about 120 mm long along the body axis, with what
tends to lead a propagation astray: flat ends, a bend, a taper, a fork, a neighbour that touches.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sam_infer.arrays import Float64Array
from sam_trainer.synthetic.patients import Distance, Solid, ellipsoid, tube, union

TARGET, NEIGHBOUR = 1, 2

# Bright enough to stand out of soft tissue at 30 HU, as contrast-filled organs do.
TARGET_HU, NEIGHBOUR_HU, TISSUE_HU, FAT_HU, BONE_HU = 160.0, 60.0, 20.0, -90.0, 330.0


def cylinder(centre: tuple[float, float, float], radius: float, length: float) -> Distance:
    """A cylinder along the body axis with flat ends, in mm."""

    def distance(points: Float64Array) -> Float64Array:
        offset = points - np.asarray(centre)
        radial = np.hypot(offset[..., 0], offset[..., 1]) - radius
        return np.asarray(np.maximum(radial, np.abs(offset[..., 2]) - length / 2))

    return distance


def _cylinder() -> list[Solid]:
    return [_target(cylinder((8, -5, 3), 17, 62))]


def _ellipsoid() -> list[Solid]:
    return [_target(ellipsoid((-6, 4, -3), (26, 19, 36), 0.4))]


def _tapering_tube() -> list[Solid]:
    return [_target(tube([(4, 2, -42), (6, 4, 44)], [18, 7]))]


def _bending_tube() -> list[Solid]:
    return [_target(tube([(-20, -6, -42), (-8, 2, -14), (8, 8, 14), (24, 2, 42)], [10, 11, 10, 9]))]


def _fork() -> list[Solid]:
    stem, left, right = (
        tube([(0, 0, -44), (0, 2, 0)], [13, 12]),
        tube([(0, 2, 0), (-22, 4, 42)], [11, 8]),
        tube([(0, 2, 0), (20, -4, 42)], [11, 9]),
    )
    return [_target(union(stem, left, right))]


def _touching() -> list[Solid]:
    neighbour = Solid(ellipsoid((30, 6, 4), (22, 26, 40)), NEIGHBOUR, NEIGHBOUR_HU, 330.0)
    return [neighbour, _target(ellipsoid((-12, 0, 0), (22, 24, 34), 0.2))]


SCENES: dict[str, Callable[[], list[Solid]]] = {
    "cylinder": _cylinder,
    "ellipsoid": _ellipsoid,
    "tapering_tube": _tapering_tube,
    "bending_tube": _bending_tube,
    "fork": _fork,
    "touching": _touching,
}


def scene(name: str) -> list[Solid]:
    """The solids of one of `SCENES`, with a body and a spine around it."""
    body = [
        Solid(ellipsoid((0, 0, 0), (74, 62, 400)), 0, FAT_HU, 560.0),
        Solid(ellipsoid((0, 0, 0), (68, 56, 390)), 0, TISSUE_HU, 240.0),
        Solid(tube([(4, -46, -200), (2, -44, 200)], [8, 8]), 0, BONE_HU, 120.0),
    ]
    return [*body, *SCENES[name]()]


def _target(shape: Distance) -> Solid:
    return Solid(shape, TARGET, TARGET_HU, 620.0)
