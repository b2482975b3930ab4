"""Simulated mask of the previous slice (grown, shifted, bent), as the prompt that a propagation gives."""

from __future__ import annotations

import cv2
import numpy as np

from sam_trainer.simulation.clicks import Mask
from sam_trainer.synthetic.appearance import smooth_noise

# Spread of the change from one slice to the next, in shares of the object's size.
GROWTH, SHIFT, WARP = 0.12, 0.05, 0.07

# Finest detail of the warp, in shares of the frame's side.
WAVELENGTH = 0.15


def neighbour(mask: Mask, rng: np.random.Generator) -> Mask:
    """A mask (S, S) as the neighbouring slice may show it: grown or shrunk, shifted, bent."""
    rows, cols = np.nonzero(mask)
    side = len(mask)
    if not len(rows):
        return mask
    size = float(np.sqrt(len(rows)))
    centre = np.array([cols.mean(), rows.mean()], np.float32)
    growth = np.exp(rng.normal(0, GROWTH, 2)).astype(np.float32)
    shift = (rng.normal(0, SHIFT, 2) * size).astype(np.float32)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    bend = float(rng.uniform(0, WARP)) * size
    from_x = centre[0] + (x - centre[0] - shift[0]) / growth[0] + bend * smooth_noise(rng, side, WAVELENGTH)
    from_y = centre[1] + (y - centre[1] - shift[1]) / growth[1] + bend * smooth_noise(rng, side, WAVELENGTH)
    moved = cv2.remap(mask, from_x, from_y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return np.asarray(moved if moved.any() else mask)
