"""Finds the centre of the patient's body on a scan: scanners put the origin anywhere, tables and air fill the rest."""

from __future__ import annotations

import numpy as np

from sam_infer.arrays import Float64Array
from sam_infer.imaging.volume import Volume

# Voxels per axis that are looked at; a body is large.
LOOKED_AT = 64


def body_centre(volume: Volume) -> Float64Array:
    """Middle (3,) in RAS mm of what is brighter than the darkest quarter of the intensity range."""
    grey = volume.array.mean(axis=3) if volume.is_colour else volume.array
    step = [max(1, n // LOOKED_AT) for n in grey.shape]
    coarse = grey[tuple(slice(None, None, n) for n in step)]
    low, high = np.percentile(coarse, (1, 99))
    body = np.argwhere(coarse > low + 0.25 * (high - low)) * step
    centre = body.mean(axis=0) if len(body) else (np.asarray(grey.shape) - 1) / 2
    return np.asarray(volume.geometry.to_world(centre))[0]
