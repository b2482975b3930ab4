"""DICOM files of a series by phase: where several images lie at the same place, which of them belong together in time.

Scanners say it in different ways: the number of a time position, the time since the heartbeat, the time of the day, or
only the order in which images are numbered.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from sam_infer.arrays import Float64Array
from sam_infer.errors import VolumeError

# Images nearer than this lie at the same place.
SAME_PLACE_MM = 1e-3

NEEDED = ("ImagePositionPatient", "ImageOrientationPatient")

# What tells phases apart, the surest first, and how many seconds one of it is; None: it says the order alone.
ORDERS: tuple[tuple[str, float | None], ...] = (
    ("TemporalPositionIdentifier", None),
    ("TemporalPositionIndex", None),
    ("TriggerTime", 0.001),
    ("AcquisitionTime", 1.0),
    ("ContentTime", 1.0),
    ("AcquisitionNumber", None),
    ("InstanceNumber", None),
)
TIMES_OF_DAY = ("AcquisitionTime", "ContentTime")

# Images at one place that differ in these are no phases.
NO_PHASES = ("EchoTime", "EchoNumbers", "DiffusionBValue", "ImageType")


def files_by_phase(files: Sequence[str]) -> tuple[list[list[str]], float]:
    """The files of each phase in the order of their places, and the seconds from phase to phase.

    Of a series without phases these are the files as they came.
    """
    import pydicom  # slow to import, and only series need it

    tags = [*NEEDED, *NO_PHASES, "TemporalResolution", *(name for name, _ in ORDERS)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        headers = [pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(tags)) for file in files]
    found = by_phase(headers)
    if found is None:
        return [list(files)], 1.0
    names = {id(header): file for header, file in zip(headers, files, strict=True)}
    phases, step_s = found
    return [[names[id(header)] for header in phase] for phase in phases], step_s


def by_phase(headers: Sequence[Any]) -> tuple[list[list[Any]], float] | None:
    """The headers of each phase in the order of their places; None where no two images lie at the same place."""
    if len(headers) < 2 or any(not header.get(name) for header in headers for name in NEEDED):
        return None
    row, column = np.asarray(headers[0].ImageOrientationPatient, float).reshape(2, 3)
    places = np.asarray([header.ImagePositionPatient for header in headers], float)
    groups = _groups(headers, places, np.cross(row, column))
    if max(map(len, groups)) < 2:
        return None
    counts = {len(group) for group in groups}
    if len(counts) > 1:
        raise VolumeError(
            f"the series has {max(counts)} images at the same place and {min(counts)} at another: phases are missing, "
            "or it holds something else besides them, which has to be a separate series",
            "image",
        )
    for name in NO_PHASES:
        if any(len({str(header.get(name)) for header in group}) > 1 for group in groups):
            raise VolumeError(
                f"images of the series that lie at the same place differ in {name}: echoes or other contrasts, which "
                "have to be separate series",
                "image",
            )
    key, seconds = _order(groups)
    ordered = [sorted(group, key=key) for group in groups]
    return [list(phase) for phase in zip(*ordered, strict=True)], _step(ordered, key, seconds)


def _groups(headers: Sequence[Any], places: Float64Array, normal: Float64Array) -> list[list[Any]]:
    """Headers by place, along the normal."""
    along = places @ normal
    groups: list[list[int]] = []
    for n in np.argsort(along, kind="stable"):
        if groups and np.abs(places[n] - places[groups[-1][0]]).max() < SAME_PLACE_MM:
            groups[-1].append(int(n))
        else:
            groups.append([int(n)])
    return [[headers[n] for n in group] for group in groups]


def _order(groups: list[list[Any]]) -> tuple[Callable[[Any], float], float | None]:
    """What orders the images of every place, and how many seconds one of it is."""
    for name, seconds in ORDERS:
        values = [[_number(header, name) for header in group] for group in groups]
        if all(None not in group and len(set(group)) == len(group) for group in values):
            return partial(_place_in_time, name), seconds
    raise VolumeError(
        "images of the series lie at the same place, and nothing says in which order they were taken (trigger time, "
        "temporal position, instance number)",
        "image",
    )


def _step(groups: list[list[Any]], key: Callable[[Any], float], seconds: float | None) -> float:
    """Seconds from phase to phase, as far as the files say."""
    if seconds is not None:
        return float(np.median(np.diff([key(header) for header in groups[0]]))) * seconds
    told = _number(groups[0][0], "TemporalResolution")
    triggers = [_number(header, "TriggerTime") for header in groups[0]]
    known = [value for value in triggers if value is not None]
    gap = float(np.median(np.diff(known))) if len(known) == len(triggers) else 0.0
    return gap / 1000 if gap > 0 else told / 1000 if told else 1.0


def _place_in_time(name: str, header: Any) -> float:
    return _number(header, name) or 0.0


def _number(header: Any, name: str) -> float | None:
    """A tag as a number; a time of the day in seconds since midnight."""
    value = header.get(name)
    try:
        if name in TIMES_OF_DAY:
            text = f"{float(value):013.6f}"
            return int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:])
        return float(value)
    except (TypeError, ValueError):
        return None
