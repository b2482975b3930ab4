"""Upload validation: which files a client may send, and what is refused before a reader opens them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sam_infer.errors import VolumeError

# Formats whose header cannot point at another file of the server (as .nhdr and .mhd do).
IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".png", ".jpg", ".jpeg", ".tif", ".tiff")

# A JPEG changes the values of a label map.
LABEL_SUFFIXES = tuple(suffix for suffix in IMAGE_SUFFIXES if suffix not in (".jpg", ".jpeg"))

Read = TypeVar("Read")


def allowed_suffix(name: str, allowed: tuple[str, ...], field: str) -> str:
    """The suffix of an upload; refused when it is no image format."""
    suffix = next((s for s in allowed if name.lower().endswith(s)), None)
    if suffix is None:
        raise VolumeError(f"{field} must be one of {', '.join(allowed)}, got {name!r}", field)
    return suffix


def read_upload(read: Callable[[Path], Read], path: Path, field: str) -> Read:
    """Read an upload that lies in a temporary file, whose name says nothing to whoever sent it."""
    try:
        return read(path)
    except VolumeError as error:
        raise VolumeError(f"{field}: {str(error).replace(path.name, 'the uploaded file')}", field) from error
