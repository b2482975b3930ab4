"""Data augmentation: small random changes, drawn once, applied to the image and to every mask alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_infer.arrays import UInt8Array


@dataclass(frozen=True)
class Change:
    """One draw; the default changes nothing."""

    flip_rows: bool = False
    flip_cols: bool = False
    gamma: float = 1.0
    gain: float = 1.0

    def pixels(self, pixels: UInt8Array) -> UInt8Array:
        """Grey or colour values (h, w) or (h, w, 3) of 0..255."""
        bent = 255.0 * self.gain * (self.place(pixels).astype(np.float32) / 255.0) ** self.gamma
        return np.clip(np.rint(bent), 0, 255).astype(np.uint8)

    def place(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """An image or mask (h, w, ...) turned, its values left alone."""
        return array[:: -1 if self.flip_rows else 1, :: -1 if self.flip_cols else 1]


def draw_change(rng: np.random.Generator) -> Change:
    """A mirrored, slightly brighter or flatter picture; the trainable head knows no left and right."""
    flips = rng.random(2) < 0.5
    return Change(bool(flips[0]), bool(flips[1]), float(rng.uniform(0.8, 1.25)), float(rng.uniform(0.9, 1.1)))
