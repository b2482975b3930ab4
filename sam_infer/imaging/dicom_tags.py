"""DICOM metadata beside the voxels: uneven slice spacing, window, modality."""

from __future__ import annotations

from typing import Any

import numpy as np

# Neighbouring slices of a series may differ by this share of their distance before a reader is warned.
UNEVEN_TOLERANCE = 0.05


def uneven_slices(files: list[str]) -> str | None:
    """A sentence when the slices of a series are not evenly spaced, else None."""
    import pydicom  # slow to import, and only series need it

    places = []
    for file in files:
        header = pydicom.dcmread(
            file, stop_before_pixels=True, specific_tags=["ImagePositionPatient", "ImageOrientationPatient"]
        )
        if "ImagePositionPatient" not in header or "ImageOrientationPatient" not in header:
            return None
        orientation = np.asarray(header.ImageOrientationPatient, float)
        places.append(
            float(np.cross(orientation[:3], orientation[3:]) @ np.asarray(header.ImagePositionPatient, float))
        )
    gaps = np.abs(np.diff(places))
    if len(gaps) < 2 or gaps.max() - gaps.min() <= UNEVEN_TOLERANCE * max(float(np.median(gaps)), 1e-6):
        return None
    return f"slice distances vary from {gaps.min():.2f} to {gaps.max():.2f} mm (missing or uneven slices)"


def window_and_modality(image: Any, files: list[str] | None = None) -> tuple[tuple[float, float] | None, str | None]:
    """Display window (low, high) and modality from DICOM tags, where they are given."""
    tags = dict(image) if not files else {}
    if files:
        import pydicom

        header = pydicom.dcmread(files[0], stop_before_pixels=True)
        centre, width = header.get("WindowCenter"), header.get("WindowWidth")
        modality = str(header.get("Modality", ""))
    else:
        centre, width, modality = (
            tags.get("0028|1050"),
            tags.get("0028|1051"),
            str(tags.get("0008|0060", "")).strip(),
        )
    window = None
    if centre is not None and width is not None:
        low_high = _first_number(centre), max(_first_number(width), 1.0)
        window = (low_high[0] - low_high[1] / 2, low_high[0] + low_high[1] / 2)
    return window, modality or None


def _first_number(value: Any) -> float:
    if isinstance(value, str):
        value = value.split("\\")[0]
    elif hasattr(value, "__iter__"):
        value = next(iter(value))
    return float(value)
