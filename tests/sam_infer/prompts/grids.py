"""Grids on which commands must mean the same: as files come, flipped, permuted, oblique, anisotropic."""

from __future__ import annotations

import numpy as np

from sam_infer.imaging.geometry import Geometry
from sam_trainer.synthetic.patients import grid, rotation


def turned(geometry: Geometry, order: tuple[int, int, int], flips: tuple[int, ...]) -> Geometry:
    """The same space with stored axes in another order, some of them backwards."""
    affine = geometry.affine.copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (geometry.shape[axis] - 1)
        affine[:3, axis] *= -1
    affine[:3, :3] = affine[:3, list(order)]
    i, j, k = (geometry.shape[axis] for axis in order)
    return Geometry((i, j, k), affine)


PLAIN = grid((60, 50, 40), (1.0, 1.0, 1.0))
ANISOTROPIC = grid((60, 50, 20), (0.8, 1.1, 3.0))
OBLIQUE = grid((60, 50, 30), (0.9, 0.9, 2.0), rotation(12, -9, 17))

GRIDS = {
    "plain": PLAIN,
    "anisotropic": ANISOTROPIC,
    "oblique": OBLIQUE,
    "flipped": turned(ANISOTROPIC, (0, 1, 2), (0, 2)),
    "permuted": turned(ANISOTROPIC, (2, 0, 1), (1,)),
    "oblique, permuted, flipped": turned(OBLIQUE, (1, 2, 0), (0, 1)),
}

WAYS = {"left": (-1, 0, 0), "right": (1, 0, 0), "anterior": (0, 1, 0), "posterior": (0, -1, 0)} | {
    "superior": (0, 0, 1),
    "inferior": (0, 0, -1),
}


def centre_mm(mask: np.ndarray, geometry: Geometry) -> np.ndarray:
    return geometry.to_world(np.argwhere(mask)).mean(axis=0)
