"""What a learner sees of a slice: a square around the network's answer, resized to a fixed side."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_infer.arrays import BoolArray, Float32Array, UInt8Array
from sam_infer.networks.frame import Crop, Frame

# Pixels of a side as the learner sees it.
SIDE = 64

# Of the answer's longer side on either side: what was left out must be inside.
MARGIN = 0.3

# An answer of fewer pixels shows no object to learn about.
FEWEST_PIXELS = 16

# No logit of the network counts more: what was learned could not move it.
SUREST = 4.0


@dataclass(frozen=True, eq=False)
class Cut:
    """A guess as a learner sees it."""

    frame: Frame
    picture: UInt8Array  # (SIDE, SIDE, 3)
    logits: Float32Array  # (SIDE, SIDE), clipped to +-SUREST

    def truth(self, mask: BoolArray) -> BoolArray:
        """A mask (H, W) of the slice in the same place."""
        return np.asarray(_shrunk(self.frame.cut(mask.astype(np.float32))) > 0.5)

    def paste(self, fused: Float32Array, alone: Float32Array) -> Float32Array:
        """Logits (SIDE, SIDE) in their place on the slice (H, W); beyond the square those of `alone`."""
        crop = self.frame.crop
        large = cv2.resize(fused, (crop.width, crop.height), interpolation=cv2.INTER_LINEAR)
        mine = self.frame.paste(large, (alone.shape[0], alone.shape[1]), np.nan)
        return np.where(np.isnan(mine), alone, mine).astype(np.float32)


def cut(shown: UInt8Array, logits: Float32Array) -> Cut | None:
    """What a learner sees of a slice (H, W), coloured or not, and its logits (H, W); None where they hold nothing."""
    found = logits > 0
    if int(found.sum()) < FEWEST_PIXELS:
        return None
    rows, cols = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    middle = (rows[0] + rows[-1] + 1) / 2, (cols[0] + cols[-1] + 1) / 2
    longer = int(max(rows[-1] - rows[0], cols[-1] - cols[0])) + 1
    side = max(round(longer * (1 + 2 * MARGIN)), 8)
    crop = Crop(round(middle[0] - side / 2), round(middle[1] - side / 2), side, side)
    frame = Frame(crop, SIDE, SIDE, SIDE)
    picture = cv2.resize(
        frame.cut(shown), (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_LINEAR
    )
    coloured = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    surely = np.clip(logits, -SUREST, SUREST) + SUREST  # beyond the slice's edge is no object
    return Cut(frame, np.ascontiguousarray(coloured), _shrunk(frame.cut(surely)) - np.float32(SUREST))


def _shrunk(values: Float32Array) -> Float32Array:
    how = cv2.INTER_AREA if values.shape[0] > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(values, np.float32), (SIDE, SIDE), interpolation=how), np.float32)
