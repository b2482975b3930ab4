"""The JSON part about objects in 3D: score, volume, extent, prompted slices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sam_infer.imaging.volume import Volume
from sam_infer.phases.in_time import CinePrediction
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


def describe_phases(found: CinePrediction) -> dict[str, Any]:
    """The same of an object in all phases: what is said of one phase is said of the prompted one."""
    counts = [int(np.count_nonzero(one.array)) for one in found.mask.phases]
    voxel_ml = float(np.prod(found.mask.geometry.spacing_mm)) / 1000.0
    return {
        "voxels_by_phase": counts,
        "volume_ml_by_phase": [round(count * voxel_ml, 3) for count in counts],
        "score_by_phase": [round(found.scores[n], 4) if n in found.scores else None for n in range(len(counts))],
        "partial": not found.whole,
    }


def own_notes(found: VolumePrediction, volume: Volume) -> list[str]:
    """What a reader should know about one of several objects."""
    return [*found.notes, *([volume.note] if volume.note else [])]
