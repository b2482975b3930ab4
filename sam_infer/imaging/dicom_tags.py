"""DICOM metadata beside the voxels: what a header claims, uneven slice spacing, window, modality, scanner and view."""

from __future__ import annotations

import math
import mmap
import re
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.imaging.claims.claim import PACKED, RAW, Claim, refusal
from sam_infer.imaging.volume import NO_TAGS, Tags, tag_word

# Neighbouring slices of a series may differ by this share of their distance before a reader is warned.
UNEVEN_TOLERANCE = 0.05

# How deep sequences may lie in each other. GDCM follows them down until the process ends.
DEEPEST = 64
ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # how an item of a sequence begins, in both byte orders

CLAIMING = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated")

# Two words together are a scanner. The names of a station or a hospital would be in every adapter, and change with it.
SCANNER = ("Manufacturer", "ManufacturerModelName")

# What names a view, the surest first: radiographs and ultrasound have words of their own for it.
VIEWING = ("ViewPosition", "ViewName")
OF_VIEW = ("ViewCodeSequence", "Modality", "SeriesDescription")

# What descriptions of MR series call the two views of a heart; nothing else in a description is relied on.
HEART_VIEWS = {"sax": r"sax|short[ _-]?axis", "lax": r"lax|long[ _-]?axis|[234][ _-]?ch"}


def dicom_claim(path: Path) -> Claim:
    """The claim of a DICOM file; refused where it is none, holds no voxels, or is nested beyond reason."""
    import pydicom  # slow to import, and only DICOM needs it

    require_shallow(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(CLAIMING), force=True)
            rows, columns, frames, samples, bits = (int(header.get(tag) or 0) for tag in CLAIMING)
            syntax = header.file_meta.get("TransferSyntaxUID")
            native = syntax is not None and not syntax.is_compressed
    except Exception as error:
        raise refusal(path.name, "it is no DICOM file, or damaged") from error
    frames, samples = max(frames, 1), max(samples, 1)
    if bits not in (1, 8, 12, 16, 32, 64) or samples not in (1, 3, 4):
        raise refusal(path.name, f"its header claims {samples} values of {bits} bits per pixel")
    return Claim((columns, rows, frames), samples * max(1, bits // 8), packing=RAW if native and bits >= 8 else PACKED)


def require_shallow(path: Path) -> None:
    """Refuse a file whose sequences lie too deep in each other, before GDCM sees it.

    Few files have as many items as would be too deep; of those that do, the depth is looked at.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if sum(1 for tag in ITEMS for _ in islice(_places(content, tag), DEEPEST)) < DEEPEST:
            return
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            deep = _deeper_than(pydicom.dcmread(path, stop_before_pixels=True, force=True), DEEPEST)
    except RecursionError:
        deep = True
    except Exception as error:
        raise refusal(path.name, "it is no DICOM file, or damaged") from error
    if deep:
        raise refusal(path.name, f"sequences lie in each other more than {DEEPEST} deep")


def _places(content: mmap.mmap, tag: bytes) -> Iterator[int]:
    place = content.find(tag)
    while place >= 0:
        yield place
        place = content.find(tag, place + len(tag))


def _deeper_than(dataset: Any, most: int) -> bool:
    """Whether sequences lie in each other deeper than that; elements without any stay as they are in the file."""
    if most == 0:
        return True
    from pydicom.sequence import Sequence

    values = (dataset[tag].value for tag in list(dataset.keys()) if dataset.get_item(tag).VR in ("SQ", "UN", None))
    return any(_deeper_than(item, most - 1) for found in values if isinstance(found, Sequence) for item in found)


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
    return _window(_first_number(centre), _first_number(width)), modality or None


def image_tags(file: str | Path) -> Tags:
    """The scanner and the view that a DICOM file names, as tags."""
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = [*SCANNER, *VIEWING, *OF_VIEW]
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=names, force=True)
            return Tags(tag_word(" ".join(_text(header, name) for name in SCANNER)) or "", _view(header))
    except Exception:  # noqa: BLE001 - an image whose scanner cannot be read is an image
        return NO_TAGS


def _view(header: Any) -> str:
    """The view that a header names; nothing where two are named."""
    coded = header.get("ViewCodeSequence") or ()
    said = [*(_text(code, "CodeMeaning") for code in coded[:1]), *(_text(header, name) for name in VIEWING)]
    named = next((word for word in map(tag_word, said) if word), "")
    if named or _text(header, "Modality") != "MR":
        return named
    description = _text(header, "SeriesDescription")
    found = [v for v, p in HEART_VIEWS.items() if re.search(rf"(?<![a-z0-9])(?:{p})(?![a-z0-9])", description, re.I)]
    return found[0] if len(found) == 1 else ""


def _text(header: Any, name: str) -> str:
    """A value as text; of several the first."""
    value = header.get(name)
    return str(value if isinstance(value, str) or not value else next(iter(value))) if value else ""


def _window(centre: float | None, width: float | None) -> tuple[float, float] | None:
    if centre is None or width is None:
        return None
    half = max(width, 1.0) / 2
    return centre - half, centre + half


def _first_number(value: Any) -> float | None:
    """The first of one or more numbers; a window that is none is no reason to refuse an image."""
    if isinstance(value, str):
        value = value.split("\\")[0]
    elif hasattr(value, "__iter__"):
        value = next(iter(value), None)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
