"""The JSON part about objects in 3D: score, volume, extent, prompted slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sam_infer.imaging.volume import Volume
from sam_infer.propagation.result import VolumePrediction
from samlabel.wire.reply import place


def describe_object(found: VolumePrediction, volume: Volume, notes: Sequence[str]) -> dict[str, Any]:
    """Everything worth knowing about one object."""
    voxels, slices = int(np.count_nonzero(found.mask.array)), found.slices
    where = place(volume.geometry, found.axis, found.prompted[0])
    return {
        "score": round(found.score, 4),
        "voxels": voxels,
        "volume_ml": round(float(voxels * np.prod(volume.geometry.spacing_mm)) / 1000.0, 3),
        "axis": where["axis"],
        "plane": where["plane"],
        "slices": [slices[0], slices[-1]] if slices else None,
        "prompted_slices": list(found.prompted),
        "partial": not found.whole,
        "warnings": list(notes),
    }


def own_notes(found: VolumePrediction, volume: Volume) -> list[str]:
    """What a reader should know about one of several objects."""
    return [*found.notes, *([volume.note] if volume.note else [])]
