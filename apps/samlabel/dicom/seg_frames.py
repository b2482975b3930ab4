"""The frames of a DICOM SEG that lies on several frames of one image, which have no place that tells them apart."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
from highdicom.seg import Segmentation
from pydicom import Dataset
from pydicom.pixel_data_handlers.util import pack_bits
from pydicom.tag import Tag

from sam_infer.arrays import UInt8Array

STACK = "1"


def put_frames(segmentation: Segmentation, pixels: UInt8Array) -> None:
    """Make a segmentation of one frame one of all: `pixels` (k, rows, columns) holds the number of a segment.

    highdicom tells frames apart by their place in the patient; these are counted, as the image's own frames are.
    """
    pattern = segmentation.PerFrameFunctionalGroupsSequence[0]
    marked = [k for k, plane in enumerate(pixels) if plane.any()]
    items, planes = [], []
    for number in range(1, len(segmentation.SegmentSequence) + 1):
        for order, k in enumerate(marked, 1):
            plane = pixels[k] == number
            if plane.any():
                items.append(_item(pattern, number, order, k))
                planes.append(plane)
    segmentation.PerFrameFunctionalGroupsSequence = items
    segmentation.NumberOfFrames = len(items)
    segmentation.PixelData = pack_bits(np.stack(planes).astype(np.uint8).ravel())
    second = deepcopy(segmentation.DimensionIndexSequence[0])
    second.DimensionIndexPointer, second.FunctionalGroupPointer = (
        Tag("InStackPositionNumber"),
        Tag("FrameContentSequence"),
    )
    second.DimensionDescriptionLabel = "Frame of the image"
    segmentation.DimensionIndexSequence.append(second)


def _item(pattern: Dataset, number: int, order: int, k: int) -> Dataset:
    item: Dataset = deepcopy(pattern)
    content = item.FrameContentSequence[0]
    content.DimensionIndexValues = [number, order]
    content.StackID, content.InStackPositionNumber = STACK, k + 1
    item.SegmentIdentificationSequence[0].ReferencedSegmentNumber = number
    item.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = k + 1
    return item
