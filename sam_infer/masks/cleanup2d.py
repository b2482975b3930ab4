"""2D mask post-processing after the network: stability score, largest component, hole filling."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float32Array, Int64Array

# Pixels that touch by an edge belong together; a diagonal touch does not join two objects.
STABILITY_OFFSET = 1.0


def stability(logits: Float32Array) -> float:
    """IoU of the masks at thresholds +1 and -1: 1 when the edge is sure, 0 when it hangs on the threshold."""
    wide = int((logits > -STABILITY_OFFSET).sum())
    return float((logits > STABILITY_OFFSET).sum() / wide) if wide else 0.0


def largest_component(mask: BoolArray, anchors: Int64Array | None = None) -> BoolArray:
    """The largest connected part of a mask, and every part that holds one of the `anchors` (N, ndim)."""
    labels, count = ndimage.label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    keep = {int(sizes.argmax())}
    if anchors is not None and len(anchors):
        keep |= {int(value) for value in labels[tuple(anchors.T)] if value}
    return np.asarray(np.isin(labels, list(keep)))


def fill_holes(mask: BoolArray, anchors: Int64Array | None = None) -> BoolArray:
    """A mask without holes, except holes that hold one of the `anchors` (N, ndim): the reader wants those open."""
    filled = np.asarray(ndimage.binary_fill_holes(mask))
    if anchors is None or not len(anchors):
        return filled
    labels, _ = ndimage.label(filled & ~mask)
    wanted = [int(value) for value in labels[tuple(anchors.T)] if value]
    return filled & ~np.isin(labels, wanted) if wanted else filled
