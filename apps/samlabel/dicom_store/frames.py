"""WADO-RS pixels of stored files: single frames as they are stored, and rendered pictures of them.

Compressed frames are passed on untouched. Native frames are read at their place in the file, so that one slice of a
large multi-frame object costs one slice.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_pixel_data_frame
from pydicom.multival import MultiValue
from pydicom.pixel_data_handlers.util import apply_modality_lut
from pydicom.tag import Tag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sam_infer.arrays import UInt8Array
from samlabel.dicom_store.index import Instance

PIXEL_TAGS = {Tag("PixelData"), Tag("FloatPixelData"), Tag("DoubleFloatPixelData")}

# Media types of compressed frames (PS3.18, section 8.7.3.5); the transfer syntax always stands beside it.
MEDIA_TYPES = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
}


class FrameError(ValueError):
    """Frames that a file does not have, or that it holds only in part."""


@dataclass(frozen=True)
class _Native:
    """Where uncompressed frames lie in a file."""

    start: int
    frame_bits: int
    frames: int


def frame_media_type(instance: Instance) -> str:
    """How single frames of an instance are announced."""
    syntax = instance.syntax
    if syntax in (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
        syntax = str(ExplicitVRLittleEndian)  # the same bytes per frame
    return f"{MEDIA_TYPES.get(syntax, 'application/octet-stream')}; transfer-syntax={syntax}"


def read_frames(instance: Instance, numbers: list[int]) -> list[bytes]:
    """Frames as stored, counted from 1."""
    if instance.syntax in MEDIA_TYPES:
        frames: list[bytes] = _compressed(instance.path)
        return [frames[number - 1] for number in _within(numbers, len(frames))]
    if instance.syntax == DeflatedExplicitVRLittleEndian:
        dataset = dcmread(instance.path)
        place = _native_place(dataset, 0)
        return [_cut(io.BytesIO(dataset.PixelData), place, n) for n in _within(numbers, place.frames)]
    place = _place(instance.path, instance.stamp)
    with instance.path.open("rb") as file:
        return [_cut(file, place, number) for number in _within(numbers, place.frames)]


def render(instance: Instance, number: int, kind: str, window: tuple[float, float] | None, size: int | None) -> bytes:
    """A frame as a PNG or JPEG picture, windowed as its header says unless `window` (centre, width) is given."""
    dataset = dcmread(instance.path)
    if not PIXEL_TAGS & dataset.keys():
        raise FrameError("the instance has no pixels")
    _within([number], int(dataset.get("NumberOfFrames") or 1))
    try:
        pixels = dataset.pixel_array
    except (RuntimeError, NotImplementedError, AttributeError, ValueError) as error:
        raise FrameError(f"the frame cannot be decoded here: {error}") from error
    pixels = pixels[number - 1] if int(dataset.get("NumberOfFrames") or 1) > 1 else pixels
    picture = Image.fromarray(pixels if pixels.ndim == 3 else _grey(pixels, dataset, window))
    if size is not None:
        picture.thumbnail((size, size))
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def _grey(pixels: npt.NDArray[Any], dataset: Dataset, window: tuple[float, float] | None) -> UInt8Array:
    values = apply_modality_lut(pixels, dataset).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if window is None and "WindowCenter" in dataset and "WindowWidth" in dataset:
        window = _first(dataset.WindowCenter), _first(dataset.WindowWidth)
    if window is not None:
        low, high = window[0] - window[1] / 2, window[0] + window[1] / 2
    grey = np.clip((values - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    return np.asarray(255 - grey if dataset.PhotometricInterpretation == "MONOCHROME1" else grey)


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, MultiValue) else value)


def _within(numbers: list[int], frames: int) -> list[int]:
    for number in numbers:
        if not 1 <= number <= frames:
            raise FrameError(f"frame {number} does not exist; the instance has {frames}")
    return numbers


def _compressed(path: Path) -> list[bytes]:
    dataset = dcmread(path)
    return list(generate_pixel_data_frame(dataset.PixelData, int(dataset.get("NumberOfFrames") or 1)))


@lru_cache(maxsize=4096)
def _place(path: Path, stamp: tuple[int, int]) -> _Native:
    """The place of native frames; `stamp` makes a changed file another one."""
    with path.open("rb") as file:
        header = dcmread(file, stop_before_pixels=True)
        start = file.tell()  # at the pixel data element: its header follows
        group = file.read(2)
    if group != b"\xe0\x7f" and group != b"\x7f\xe0":
        raise FrameError("the instance has no pixels")
    return _native_place(header, start + (8 if header.is_implicit_VR else 12))


def _native_place(header: Dataset, start: int) -> _Native:
    bits = int(header.Rows) * int(header.Columns) * int(header.get("SamplesPerPixel", 1)) * int(header.BitsAllocated)
    return _Native(start, bits, int(header.get("NumberOfFrames") or 1))


def _cut(file: BinaryIO, place: _Native, number: int) -> bytes:
    """One frame; frames of one bit per pixel need not begin at a byte."""
    first_bit = place.frame_bits * (number - 1)
    shift = first_bit % 8
    file.seek(place.start + first_bit // 8)
    wanted = (shift + place.frame_bits + 7) // 8
    data = file.read(wanted)
    if len(data) < wanted:
        raise FrameError(f"frame {number} is cut off: the file is damaged or still being written")
    if shift == 0:
        return data
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[shift : shift + place.frame_bits]
    return np.packbits(bits, bitorder="little").tobytes()
