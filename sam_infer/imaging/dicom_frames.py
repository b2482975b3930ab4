"""DICOM files that hold all images of a series in time (Enhanced MR and CT): which frame is which place and phase."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.imaging.dicom_phases import by_phase
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS

# What says when a frame was taken, in which of its groups, and as what a file of its own would say it.
TIMES = (
    ("FrameContentSequence", "TemporalPositionIndex", "TemporalPositionIdentifier"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "TriggerTime"),
)


@dataclass(frozen=True, eq=False)
class FramesInTime:
    """The frames of each phase, along the third axis of the grid, counted from 0."""

    phases: tuple[tuple[int, ...], ...]
    geometry: Geometry
    step_s: float


def frames_in_time(path: Path) -> FramesInTime | None:
    """How the frames of a file are ordered; None where no two of them lie at the same place."""
    import pydicom  # slow to import, and only DICOM needs it

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, stop_before_pixels=True)
    groups = header.get("PerFrameFunctionalGroupsSequence") or []
    if len(groups) < 2 or int(header.get("NumberOfFrames") or 1) != len(groups):
        return None
    shared = (header.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    frames = [_frame(shared, own, number) for number, own in enumerate(groups)]
    found = by_phase(frames)
    if found is None or not all(frame.get("PixelSpacing") for frame in frames):
        return None
    phases, step_s = found
    shape = (int(header.Columns), int(header.Rows), len(phases[0]))
    order = tuple(tuple(int(frame.InstanceNumber) for frame in phase) for phase in phases)
    return FramesInTime(order, _geometry(phases[0], shape), step_s)


def _frame(shared: Any, own: Any, number: int) -> Any:
    """A frame as the header that a file of its own would have."""
    frame = type(own)()
    frame.InstanceNumber = number
    for group, name in (
        ("PlanePositionSequence", "ImagePositionPatient"),
        ("PlaneOrientationSequence", "ImageOrientationPatient"),
        ("PixelMeasuresSequence", "PixelSpacing"),
        ("PixelMeasuresSequence", "SliceThickness"),
    ):
        _copy(shared, own, group, name, frame, name)
    for group, name, known_as in TIMES:
        _copy(shared, own, group, name, frame, known_as)
    return frame


def _copy(shared: Any, own: Any, group: str, name: str, frame: Any, known_as: str) -> None:
    items = own.get(group) or shared.get(group)
    value = items[0].get(name) if items else None
    if value is not None:
        setattr(frame, known_as, value)


def _geometry(frames: list[Any], shape: tuple[int, int, int]) -> Geometry:
    """The grid of the frames of one phase."""
    first = frames[0]
    row, column = np.asarray(first.ImageOrientationPatient, float).reshape(2, 3)
    start, end = (np.asarray(frame.ImagePositionPatient, float) for frame in (first, frames[-1]))
    thick = float(first.get("SliceThickness") or 1.0)
    lps = np.eye(4)
    lps[:3, 0], lps[:3, 1] = row * float(first.PixelSpacing[1]), column * float(first.PixelSpacing[0])
    lps[:3, 2] = (end - start) / (len(frames) - 1) if len(frames) > 1 else np.cross(row, column) * thick
    lps[:3, 3] = start
    return Geometry(shape, np.asarray(LPS_TO_RAS @ lps))
