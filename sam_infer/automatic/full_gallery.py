"""The whole gallery of a slice: 32 x 32 clicks, every candidate of each, chosen from by overlap with coarse maps.

The clicks are decoded many at once and kept as bits, at the side of the network's own masks: a second label of the
slice, and a second question about it, cost no decode but that of the chosen mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array, Float64Array, UInt8Array
from sam_infer.automatic.propose import LARGEST_SHARE, SMALLEST_SHARE
from sam_infer.job import Job
from sam_infer.networks.backbone import Backbone, Features
from sam_infer.networks.frame import Frame

# Clicks per side.
SIDE = 32

# So many clicks are one piece of work of the queue: a reader's click waits for one of them at most.
AT_ONCE = 32

# Of each click the masks that a client may choose from.
CANDIDATES = 3


# glibc gives memory back to the system as soon as a batch is done, and every page of the next one is made anew: a tenth
# of the time. It stops that for blocks up to the largest that was ever freed, and this is the largest that counts.
LARGEST_BLOCK = (32 << 20) - (64 << 10)


@dataclass(frozen=True, eq=False)
class FullGallery:
    """Masks of a slice, `side` squared, as bits in rows; the click and the candidate that each came from."""

    side: int
    bits: UInt8Array  # (masks, side * side / 8)
    quality: Float32Array  # (masks,) predicted IoU times stability
    click: Float32Array  # (masks, 2) in model pixels (x, y)
    candidate: UInt8Array  # (masks,)

    def best(self, coarse: Float32Array, least: float) -> list[tuple[int, float]]:
        """Masks by pixel IoU with a coarse map (side, side) of 0..1, best first, those of at least `least`."""
        flat = np.clip(coarse, 0, 1).reshape(-1).astype(np.float32)
        masks = np.unpackbits(self.bits, axis=1, count=len(flat)).astype(np.float32)
        both = masks @ flat
        union = masks.sum(axis=1) + float(flat.sum()) - both
        overlap = both / np.maximum(union, 1e-6)
        order = np.lexsort((-self.quality, -overlap))
        return [(int(n), float(overlap[n])) for n in order if overlap[n] >= least]

    def mask(self, number: int) -> BoolArray:
        """One of the masks (side, side)."""
        bits = np.unpackbits(self.bits[number], count=self.side * self.side)
        return bits.reshape(self.side, self.side).astype(bool)


def clicks_of(frame: Frame, seen: BoolArray) -> Float32Array:
    """Clicks (N, 2) in model pixels (x, y): the middles of 32 x 32 cells of a slice (H, W), where anything is seen."""
    height, width = seen.shape
    rows = np.unique(((np.arange(SIDE) + 0.5) * height / SIDE).astype(int))
    cols = np.unique(((np.arange(SIDE) + 0.5) * width / SIDE).astype(int))
    spots: Float64Array = np.array([(r, c) for r in rows for c in cols if seen[r, c]], np.float64).reshape(-1, 2)
    return frame.points_to_model(spots)


def full_gallery(
    backbone: Backbone,
    features: Features,
    clicks: Float32Array,
    job: Job,
    least_quality: float,
) -> FullGallery:
    """Every candidate of every click; the job does some clicks after or beside the others."""
    batches = [clicks[start : start + AT_ONCE] for start in range(0, len(clicks), AT_ONCE)]
    np.empty(LARGEST_BLOCK, np.uint8)
    works = [partial(_decoded, backbone, features, some, least_quality) for some in batches]
    return _joined(job.pieces(works), backbone.low_res)


def _decoded(backbone: Backbone, features: Features, clicks: Float32Array, least_quality: float) -> FullGallery:
    logits, scores = backbone.decode_clicks(features, clicks)
    logits, scores = logits[:, :CANDIDATES], scores[:, :CANDIDATES]
    area = logits.shape[-1] * logits.shape[-2]
    covered = (logits > 0).sum(axis=(2, 3)) / area
    wide, narrow = (logits > -1).sum(axis=(2, 3)), (logits > 1).sum(axis=(2, 3))
    quality = (scores * narrow / np.maximum(wide, 1)).astype(np.float32)
    kept = (quality >= least_quality) & (covered >= SMALLEST_SHARE) & (covered <= LARGEST_SHARE)
    number, candidate = np.nonzero(kept)
    bits = np.packbits((logits > 0)[number, candidate].reshape(len(number), area), axis=1)
    return FullGallery(logits.shape[-1], bits, quality[kept], clicks[number], candidate.astype(np.uint8))


def _joined(parts: list[FullGallery], side: int) -> FullGallery:
    if not parts:
        none = np.zeros((0, side * side // 8), np.uint8)
        return FullGallery(side, none, np.zeros(0, np.float32), np.zeros((0, 2), np.float32), np.zeros(0, np.uint8))
    return FullGallery(
        side,
        np.concatenate([part.bits for part in parts]),
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.click for part in parts]),
        np.concatenate([part.candidate for part in parts]),
    )
