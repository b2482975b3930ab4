"""Reads DICOM SEG objects of any tool as label maps on an image's grid.

Tools differ: frames in any order, empty frames left out, slices from the other end, another pixel size, one bit or
eight, overlapping segments, label maps. Everything is placed by its position in the patient; what says none, because
its image has none (radiographs, ultrasound), by the frame of the image that it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from sam_infer.arrays import Float64Array, UInt8Array
from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask

SEGMENTATION, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"

# Frames may lie this far off their place, in slice distances.
PLACE_TOLERANCE = 0.1
MAX_VALUES = 255


@dataclass(frozen=True)
class Frame:
    """One frame: what it shows, and where."""

    segment: int
    groups: Dataset  # what the file says of this frame alone
    pixels: npt.NDArray[Any]  # (rows, columns)


@dataclass(frozen=True)
class StoredPlane:
    """What all frames of an object share: directions and distances of pixels."""

    row: Float64Array  # unit vector along a row, LPS
    column: Float64Array
    spacing_mm: tuple[float, float]  # along a row, along a column
    slice_mm: float | None  # as the file says, if it does

    @property
    def normal(self) -> Float64Array:
        """Across the plane."""
        return np.cross(self.row, self.column)


def read_seg(segmentation: Dataset, grid: Geometry) -> tuple[Mask, dict[int, str]]:
    """The label map on an image's grid and the name of each value, 1..n in the order of the segments."""
    if segmentation.get("SOPClassUID") not in (SEGMENTATION, LABEL_MAP):
        raise VolumeError("the DICOM object is no segmentation", "label")
    try:
        names = segment_names(segmentation)
        frames, shared = _frames(segmentation), segmentation.SharedFunctionalGroupsSequence[0]
        numbers = {segment: value for value, segment in enumerate(names, 1)}
        if _group(shared, frames[0].groups, "PlanePositionSequence") is None:
            array = _on_frames(frames, shared, grid, numbers)
        else:
            plane, corners = _plane(shared, frames[0].groups), [_corner(shared, frame.groups) for frame in frames]
            array = _sampled(*_stack(frames, np.array(corners), plane, grid, numbers), grid)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise VolumeError(f"the segmentation cannot be understood: {error}", "label") from error
    return Mask(array, grid), {numbers[segment]: name for segment, name in names.items()}


def segment_names(segmentation: Dataset) -> dict[int, str]:
    """Segment number to name: the label that was given, else what its code means."""
    names = {}
    for item in segmentation.SegmentSequence:
        number = int(item.SegmentNumber)
        if number == 0:
            continue  # the background of a label map
        meaning = item.get("SegmentedPropertyTypeCodeSequence") or [Dataset()]
        names[number] = str(item.get("SegmentLabel") or meaning[0].get("CodeMeaning") or f"segment {number}")
    if len(names) > MAX_VALUES:
        raise VolumeError(f"the segmentation has {len(names)} segments; {MAX_VALUES} can be told apart", "label")
    return names


def _plane(shared: Dataset, first: Dataset) -> StoredPlane:
    measures = _required(shared, first, "PixelMeasuresSequence")
    orientation = np.asarray(_required(shared, first, "PlaneOrientationSequence").ImageOrientationPatient, float)
    spacing = [float(number) for number in measures.PixelSpacing]
    distance = measures.get("SpacingBetweenSlices") or measures.get("SliceThickness")
    return StoredPlane(
        orientation[:3], orientation[3:], (spacing[1], spacing[0]), float(distance) if distance else None
    )


def _corner(shared: Dataset, groups: Dataset) -> Float64Array:
    """The first voxel of a frame, LPS."""
    return np.asarray(_required(shared, groups, "PlanePositionSequence").ImagePositionPatient, float)


def _group(shared: Dataset, frame: Dataset, name: str) -> Dataset | None:
    items = frame.get(name) or shared.get(name)
    return items[0] if items else None


def _required(shared: Dataset, frame: Dataset, name: str) -> Dataset:
    item = _group(shared, frame, name)
    if item is None:
        raise KeyError(name)
    return item


def _frames(segmentation: Dataset) -> list[Frame]:
    shared = segmentation.SharedFunctionalGroupsSequence[0]
    pixels = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    label_map = segmentation.SOPClassUID == LABEL_MAP
    if not label_map and segmentation.SegmentationType == "FRACTIONAL":
        pixels = pixels * 2 > int(segmentation.MaximumFractionalValue)
    frames = []
    for item, plane in zip(segmentation.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        for number in [int(v) for v in np.unique(plane) if v] if label_map else [_segment(shared, item)]:
            frames.append(Frame(number, item, plane == number if label_map else plane > 0))
    if not frames:
        raise VolumeError("the segmentation has no frames", "label")
    return frames


def _segment(shared: Dataset, frame: Dataset) -> int:
    return int(_required(shared, frame, "SegmentIdentificationSequence").ReferencedSegmentNumber)


def _on_frames(frames: list[Frame], shared: Dataset, grid: Geometry, numbers: dict[int, int]) -> UInt8Array:
    """The label map of an image without a place: pixels on pixels; later segments lie over earlier."""
    result = np.zeros(grid.shape, np.uint8, order="F")
    for frame in sorted(frames, key=lambda frame: frame.segment):
        if frame.pixels.T.shape != grid.shape[:2]:
            raise VolumeError(
                "the segmentation says no place in the patient and has another size than the image", "label"
            )
        for k in _named_frames(shared, frame.groups, grid.shape[2]):
            if frame.segment in numbers:
                result[:, :, k][frame.pixels.T] = numbers[frame.segment]
    return result


def _named_frames(shared: Dataset, groups: Dataset, count: int) -> list[int]:
    """Which frames of the image a frame lies on, from 0; of a single one it need not say."""
    derivation = _group(shared, groups, "DerivationImageSequence") or Dataset()
    named = [
        int(number) - 1
        for source in derivation.get("SourceImageSequence") or []
        for number in np.atleast_1d(source.get("ReferencedFrameNumber") or [])
    ] or [0] * (count == 1)
    if not named or min(named) < 0 or max(named) >= count:
        raise VolumeError("the segmentation says neither a place in the patient nor a frame of the image", "label")
    return named


def _stack(
    frames: list[Frame], corners: Float64Array, plane: StoredPlane, grid: Geometry, numbers: dict[int, int]
) -> tuple[UInt8Array, Float64Array]:
    """The frames as one label volume (columns, rows, slices) and its RAS affine; later segments lie over earlier."""
    heights = corners @ plane.normal
    step = _step(heights, plane, grid)
    slots = np.rint((heights - heights.min()) / step).astype(int)
    if np.abs((heights - heights.min()) / step - slots).max() > PLACE_TOLERANCE:
        raise VolumeError("the segmentation's slices are not evenly spaced", "label")
    rows, columns = frames[0].pixels.shape
    stack = np.zeros((columns, rows, int(slots.max()) + 1), np.uint8)
    for slot, frame in sorted(zip(slots, frames, strict=True), key=lambda pair: pair[1].segment):
        if frame.segment in numbers:
            stack[:, :, slot][frame.pixels.T] = numbers[frame.segment]
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = plane.row * plane.spacing_mm[0], plane.column * plane.spacing_mm[1]
    lps[:3, 2], lps[:3, 3] = plane.normal * step, corners[int(heights.argmin())]
    return stack, np.asarray(LPS_TO_RAS @ lps)


def _step(heights: Float64Array, plane: StoredPlane, grid: Geometry) -> float:
    """The distance of neighbouring slices; empty ones in between may be left out of the file."""
    gaps = np.diff(np.unique(np.round(heights, 3)))
    directions = grid.affine[:3, :3] / np.asarray(grid.spacing_mm)
    along = np.abs((LPS_TO_RAS[:3, :3] @ plane.normal) @ directions)
    wishes = [grid.spacing_mm[int(along.argmax())], plane.slice_mm, float(gaps.min()) if len(gaps) else None]
    for wish in wishes:
        if (
            wish
            and np.abs(gaps / wish - np.rint(gaps / wish)).max(initial=0.0) <= PLACE_TOLERANCE
            and (np.rint(gaps / wish).min(initial=1.0) >= 1)
        ):
            return wish
    raise VolumeError("the segmentation's slices are not evenly spaced", "label")


def _sampled(stack: UInt8Array, affine: Float64Array, grid: Geometry) -> UInt8Array:
    """The nearest label at every voxel of a grid."""
    to_stack = np.linalg.inv(affine) @ grid.affine
    result = np.zeros(grid.shape, np.uint8, order="F")
    i, j = np.meshgrid(np.arange(grid.shape[0]), np.arange(grid.shape[1]), indexing="ij")
    in_plane = i[..., None] * to_stack[:3, 0] + j[..., None] * to_stack[:3, 1] + to_stack[:3, 3]
    limits = np.asarray(stack.shape)
    for k in range(grid.shape[2]):
        places = in_plane + k * to_stack[:3, 2]
        low, high = places.min(axis=(0, 1)), places.max(axis=(0, 1))
        if (high < -0.5).any() or (low > limits - 0.5).any():
            continue
        # Half-way values occur only at the outer edge; rounding must not lose the last voxel to float noise.
        nearest = np.floor(places + 0.5 + 1e-4).astype(np.int64)
        inside = ((nearest >= 0) & (nearest < limits)).all(axis=-1)
        a, b, c = nearest[inside].T
        result[:, :, k][inside] = stack[a, b, c]
    return result
