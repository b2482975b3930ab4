"""Writes label maps as DICOM SEG objects with highdicom, with everything that traces a mask back to its origin."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import Segmentation, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom import Dataset

from sam_infer.arrays import Float64Array, UInt8Array
from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Mask
from samlabel.dicom.flat_image import FlatImage
from samlabel.dicom.seg_frames import put_frames
from samlabel.dicom.seg_source import complete, without_place
from samlabel.dicom.slice_stack import stack_of
from samlabel.dicom.snomed import meaning_of

AUTOMATIC, SEMIAUTOMATIC, MANUAL = "AUTOMATIC", "SEMIAUTOMATIC", "MANUAL"
ALGORITHM_TYPES = (AUTOMATIC, SEMIAUTOMATIC, MANUAL)

# UIDs of labels are hashed from their content: storing the same label twice stores it once.
NAMESPACE = uuid.UUID("0e5b2f0c-6a46-4bb0-8f5e-2f3d8d1d3a77")

SERIES_NUMBER = 900
MAX_TEXT = 64

# A slice of the series may be this far from the label's grid, in voxels.
PLACE_TOLERANCE = 0.1


@dataclass(frozen=True)
class Origin:
    """How a label came about; empty text where nothing is known."""

    algorithm_type: str = SEMIAUTOMATIC
    model: str = ""
    adapter: str = ""
    prompts: str = ""  # digest of the prompts that led to it
    reader: str = ""
    phase: int | None = field(default=None, repr=False)  # of an image in time

    def __post_init__(self) -> None:
        if self.algorithm_type not in ALGORITHM_TYPES:
            raise VolumeError(
                f"algorithm_type must be one of {', '.join(ALGORITHM_TYPES)}, got {self.algorithm_type!r}",
                "algorithm_type",
            )


def series_uid(mask: Mask, names: Mapping[int, str], image: str, origin: Origin, after: str = "") -> str:
    """The SeriesInstanceUID that `write_seg` gives a label of an image series, without writing it."""
    return _uid(_digest(mask, names, image, origin, after), "series")


def write_seg(
    mask: Mask, names: Mapping[int, str], sources: Sequence[Dataset], origin: Origin, after: str = ""
) -> Segmentation:
    """A SEG with one segment per value that occurs in the mask, on the slices of its series.

    Of an image without a place in the patient it says on which pixels of which frame it lies, and no place either.
    `after` is the segmentation that it replaces, where the same label was replaced by that one before.
    """
    values = mask.values()
    if not values:
        raise VolumeError("the label is empty: there is nothing to store", "label")
    unnamed = [value for value in values if value not in names]
    if unnamed:
        raise VolumeError(f"label value {unnamed[0]} has no name", "label")
    numbers = np.zeros(256, np.uint8)
    numbers[values] = np.arange(1, len(values) + 1)
    # (k, rows, columns): slices in the order of the label's grid
    pixels = np.ascontiguousarray(numbers[mask.array].transpose(2, 1, 0))
    content = _digest(mask, names, sources[0].SeriesInstanceUID, origin, after)
    described = [_describe(number, names[value], origin, content) for number, value in enumerate(values, 1)]
    flat = FlatImage.of(sources)
    if flat is None:
        segmentation = _segmentation(slices_of(sources, mask.geometry), pixels, described, origin, content)
    else:
        flat.require_pixels(mask.geometry)
        marked = int(pixels.any(axis=(1, 2)).argmax())
        segmentation = _segmentation([without_place(flat)], pixels[marked, None], described, origin, content)
        segmentation.PatientOrientation = flat.header.get("PatientOrientation", "")
        if flat.frames > 1:
            put_frames(segmentation, pixels)
    when = "" if origin.phase is None else f"phase {origin.phase}, "
    segmentation.SeriesDescription = _short(f"Labels: {when}" + ", ".join(names[value] for value in values))
    return segmentation


def _segmentation(
    sources: list[Dataset], pixels: UInt8Array, described: list[Any], origin: Origin, content: str
) -> Segmentation:
    try:
        return Segmentation(
            source_images=[complete(sources[0]), *sources[1:]],
            pixel_array=pixels,
            segmentation_type="BINARY",
            segment_descriptions=described,
            series_instance_uid=_uid(content, "series"),
            series_number=SERIES_NUMBER,
            sop_instance_uid=_uid(content, "instance"),
            instance_number=1,
            manufacturer="samlabel",
            manufacturer_model_name="samlabel",
            software_versions=version("samlabel"),
            device_serial_number="0",
            content_label="SEGMENTATION",
            content_description=_short(f"{origin.algorithm_type.lower()}, {origin.model or 'no model'}"),
            content_creator_name=_person(origin.reader),
            omit_empty_frames=True,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise VolumeError(
            f"no DICOM segmentation can refer to files like those of this series: {error}", "image"
        ) from error


def slices_of(sources: Sequence[Dataset], geometry: Geometry) -> list[Dataset]:
    """The images of a series in the order of a grid's slices; refused when the grid is another one."""
    stack = stack_of(sources)
    if len(sources) != geometry.shape[2]:
        raise VolumeError(f"the series has {len(sources)} slices, the label {geometry.shape[2]}", "label")
    if (int(sources[0].Columns), int(sources[0].Rows)) != geometry.shape[:2]:
        raise VolumeError("the label's slices have another size than the series'", "label")
    along = (LPS_TO_RAS[:3, :3] @ stack.normal) @ geometry.affine[:3, 2] > 0
    ordered = list(stack.slices if along else stack.slices[::-1])
    # Of slices that no even grid fits, the first one tells whether the grid is the series' own.
    for k, source in enumerate(ordered if stack.note is None else ordered[:1]):
        index = geometry.to_index(corners_ras(source))
        if np.abs(index - [[0, 0, k], [1, 0, k], [0, 1, k]]).max() > PLACE_TOLERANCE:
            raise VolumeError("the label lies elsewhere than the series: resample it to the image first", "label")
    return ordered


def corners_ras(image: Dataset) -> Float64Array:
    """(3, 3) RAS mm: the first voxel of a slice, its neighbour in the row, its neighbour in the column."""
    origin = np.asarray(image.ImagePositionPatient, float)
    orientation = np.asarray(image.ImageOrientationPatient, float)
    spacing = np.asarray(image.PixelSpacing, float)
    points = np.stack([origin, origin + orientation[:3] * spacing[1], origin + orientation[3:] * spacing[0]])
    return np.asarray(points @ LPS_TO_RAS[:3, :3].T)


def referenced_series(segmentation: Dataset) -> str:
    """The series that a SEG belongs to; empty when it does not say."""
    for item in segmentation.get("ReferencedSeriesSequence") or []:
        return str(item.get("SeriesInstanceUID", ""))
    return ""


def referenced_images(segmentation: Dataset) -> set[str]:
    """The SOPInstanceUIDs of the images that a SEG lies on, as far as it says."""
    return {
        str(image.ReferencedSOPInstanceUID)
        for series in segmentation.get("ReferencedSeriesSequence") or []
        for image in series.get("ReferencedInstanceSequence") or []
    }


def _describe(number: int, name: str, origin: Origin, content: str) -> SegmentDescription:
    meaning = meaning_of(name)
    algorithm = None
    if origin.algorithm_type != MANUAL:
        from pydicom.sr.codedict import codes  # here: no start needs it, and it takes a moment

        known = {"model": origin.model, "adapter": origin.adapter, "prompts": origin.prompts}
        algorithm = AlgorithmIdentificationSequence(
            name=_short(f"samlabel {origin.model}".strip()),
            family=codes.DCM.ArtificialIntelligence,
            version=version("samlabel"),
            source="samlabel",
            parameters={key: value for key, value in known.items() if value} or None,
        )
    segment = SegmentDescription(
        segment_number=number,
        segment_label=_short(name),
        segmented_property_category=meaning.category,
        segmented_property_type=meaning.type,
        algorithm_type=origin.algorithm_type,
        algorithm_identification=algorithm,
        tracking_uid=_uid(content, name),
        tracking_id=_short(name),
    )
    if meaning.side is not None:
        side = CodedConcept(*meaning.side[:3])
        segment.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [side]
    return segment


def _digest(mask: Mask, names: Mapping[int, str], series: str, origin: Origin, after: str) -> str:
    state = hashlib.blake2b(digest_size=16)
    state.update(repr((series, sorted(names.items()), origin, mask.geometry.shape)).encode())
    state.update(mask.array.tobytes(order="F"))
    state.update(after.encode())
    if origin.phase is not None:  # labels without one keep the UIDs that they had before there were any
        state.update(f"phase {origin.phase}".encode())
    return state.hexdigest()


def _uid(content: str, what: str) -> str:
    return f"2.25.{uuid.uuid5(NAMESPACE, f'{content}/{what}').int}"


def _short(text: str) -> str:
    return text.replace("\\", "/")[:MAX_TEXT]


def _person(reader: str) -> str | None:
    """A reader's name as a person name; the caret says that a single word is meant."""
    name = reader.replace("\\", "/").replace("=", "-")[: MAX_TEXT - 1]
    return f"{name}^" if name else None
