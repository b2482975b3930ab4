"""Sorts the slices of a DICOM series into one stack: in order, or refused, or with a warning on what is odd.

Viewers and converters build a volume from the first slices' distance and direction. Where slices are uneven, missing
or sheared (gantry tilt) every slice is right in itself, and only distances across slices are not: such a series is
served with a warning. What is no stack at all is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from sam_infer.arrays import Float64Array
from sam_infer.errors import VolumeError
from sam_infer.imaging.dicom_phases import by_phase

# Neighbouring distances may differ by this share of the usual one, directions of slices by this much per component.
UNEVEN, TURNED = 0.05, 1e-3

# Slices nearer than this lie at the same place.
SAME_PLACE_MM = 1e-3

# Positions are written with few digits: a smaller shear is rounding.
TILT_DEGREES = 0.5

NEEDED = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in the order of their normal, which points along row x column; `note` says what is odd."""

    slices: tuple[Dataset, ...]
    normal: Float64Array  # LPS
    note: str | None = None


def stacks_of(headers: Sequence[Dataset]) -> list[Stack]:
    """The same of a series with phases in time, one stack for each; of most series there is one."""
    _require_places(headers)
    _require_one_grid(headers)
    found = by_phase(headers)
    return [stack_of(phase) for phase in found[0]] if found is not None else [stack_of(headers)]


def stack_of(headers: Sequence[Dataset]) -> Stack:
    """The stack that a series is; refused with a sentence when it is none."""
    _require_places(headers)
    _require_one_grid(headers)
    row, column = np.asarray(headers[0].ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(row, column)
    ordered = sorted(headers, key=lambda header: float(normal @ _position(header)))
    places = np.array([_position(header) for header in ordered])
    gaps = np.diff(places @ normal)
    if len(gaps) and gaps.min() < SAME_PLACE_MM:
        raise VolumeError(
            "two slices of the series lie at the same place: it holds several echoes or scans, which have to be "
            "separate series",
            "image",
        )
    notes = [sentence for sentence in (_uneven(gaps), _tilted(places, normal)) if sentence]
    return Stack(tuple(ordered), normal, "; ".join(notes) or None)


def _require_places(headers: Sequence[Dataset]) -> None:
    multi_frame = [header for header in headers if int(header.get("NumberOfFrames") or 1) > 1]
    if any("PerFrameFunctionalGroupsSequence" in header for header in multi_frame):
        raise VolumeError(
            "multi-frame images (Enhanced CT or MR) cannot be segmented here: convert the series to one file per slice",
            "image",
        )
    if multi_frame:
        raise VolumeError(
            "the series holds cine loops beside other images: each of them has to be a series of its own", "image"
        )
    missing = next((name for name in NEEDED for header in headers if not header.get(name)), None)
    if missing is not None:
        raise VolumeError(
            f"the series' files do not say where they lie in the patient: {missing} is missing; an image without a "
            "place (radiograph, ultrasound) can be segmented where it is a series of its own",
            "image",
        )


def _require_one_grid(headers: Sequence[Dataset]) -> None:
    sizes = {(int(header.Rows), int(header.Columns)) for header in headers}
    directions = np.array([header.ImageOrientationPatient for header in headers], float)
    spacings = np.array([header.PixelSpacing for header in headers], float)
    turned = np.abs(directions - directions[0]).max() > TURNED
    if len(sizes) > 1 or turned or not np.allclose(spacings, spacings[0], rtol=1e-3):
        raise VolumeError(
            "the series mixes images of different size, spacing or direction (localizers?): it is not one volume",
            "image",
        )


def _position(header: Dataset) -> Float64Array:
    return np.asarray(header.ImagePositionPatient, float)


def _uneven(gaps: Float64Array) -> str | None:
    if len(gaps) < 2 or gaps.max() - gaps.min() <= UNEVEN * float(np.median(gaps)):
        return None
    return (
        f"slice distances vary from {gaps.min():.2f} to {gaps.max():.2f} mm (missing or uneven slices): "
        "distances across slices are not to scale"
    )


def _tilted(places: Float64Array, normal: Float64Array) -> str | None:
    if len(places) < 2:
        return None
    along = places[-1] - places[0]
    degrees = float(np.degrees(np.arccos(np.clip(along @ normal / np.linalg.norm(along), -1.0, 1.0))))
    if degrees <= TILT_DEGREES:
        return None
    return f"the gantry was tilted by {degrees:.1f} degrees: planes across the slices are sheared, not to scale"
