"""DICOM SEG labels of series with phases: one segmentation per phase, told apart by the images that it lies on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pydicom import Dataset

from sam_infer.errors import VolumeError
from sam_infer.imaging.cine import CineMask
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Phase
from samlabel.dicom.seg_read import read_seg
from samlabel.dicom.seg_write import referenced_images
from samlabel.dicom.slice_stack import Stack


def label_of_phases(
    segmentations: Iterable[Dataset], stacks: Sequence[Stack], grid: Geometry, times: Phase
) -> tuple[CineMask, list[str]]:
    """The label map of all phases and the names of its values from 1; of a phase the first segmentation counts."""
    phase_of = {str(image.SOPInstanceUID): n for n, stack in enumerate(stacks) for image in stack.slices}
    found: dict[int, Mask] = {}
    names: list[str] = []
    for segmentation in segmentations:
        phases = {phase_of[uid] for uid in referenced_images(segmentation) if uid in phase_of}
        if len(phases) != 1 or phases & set(found):
            continue
        mask, own = read_seg(segmentation, grid)
        names += [name for _, name in sorted(own.items()) if name not in names]
        table = np.zeros(256, np.uint8)
        table[list(own)] = [names.index(name) + 1 for name in own.values()]
        found[phases.pop()] = Mask(np.asfortranarray(table[mask.array]), grid)
    if not found:
        raise VolumeError("no segmentation of the archive says on which phase of the series it lies", "label")
    label = CineMask.empty(grid, times.count, times.step_s)
    for phase, mask in found.items():
        label = label.with_phase(phase, mask)
    return label, names
