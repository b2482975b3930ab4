"""What the header of a NRRD or MetaImage file claims: text, and it may name another file as the place of its voxels.

A `.nrrd` or `.mha` file holds its own voxels here: one that somebody sends could name any file of this machine. ITK's
reader of MetaImage ends the process when a header claims a thousand dimensions: what is out of bounds is refused first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from sam_infer.errors import VolumeError
from sam_infer.imaging.claims.claim import DEFLATED, PACKED, RAW, Claim, refusal

HEADER_BYTES = 1 << 20

NRRD_BYTES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), 8),
    **dict.fromkeys(("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), 8),
    "float": 4,
    "double": 8,
}
NRRD_PACKING = {"raw": RAW, "gzip": DEFLATED, "gz": DEFLATED, "bzip2": PACKED, "bz2": PACKED}
NRRD_PACKING |= dict.fromkeys(("ascii", "text", "txt", "hex"), PACKED)

# Axes that are no place: values of one voxel.
NRRD_CHANNELS = ("vector", "list", "color", "rgb", "rgba", "point", "normal", "matrix", "quaternion", "complex", "hsv")

META_BYTES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT", "MET_LONG", "MET_ULONG"), 4),
    **dict.fromkeys(("MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}

# In a header these are places or distances.
NRRD_PLACES = ("space origin", "space directions", "spacings")
META_PLACES = (
    "ElementSpacing",
    "ElementSize",
    "Offset",
    "Position",
    "Origin",
    "TransformMatrix",
    "Rotation",
    "Orientation",
)

Fields = dict[str, str]


def nrrd_claim(path: Path) -> Claim:
    """The claim of a NRRD file with its own voxels."""
    fields, offset = _nrrd_fields(path)
    name = path.name
    if "data file" in fields or "datafile" in fields:
        raise _elsewhere(name)
    _require_numbers(name, fields, NRRD_PLACES)
    sizes = _whole_numbers(name, fields, "sizes")
    (dimension,) = _whole_numbers(name, fields, "dimension")[:1] or (0,)
    if dimension != len(sizes):
        raise refusal(name, f"its header claims {dimension} dimensions and has {len(sizes)} sizes")
    voxel_bytes, packing = (
        NRRD_BYTES.get(fields.get("type", "").lower()),
        NRRD_PACKING.get(fields.get("encoding", "").lower()),
    )
    if voxel_bytes is None or packing is None:
        raise refusal(name, "its header names no type or encoding that is known")
    channels, sizes = _split_channels(name, fields.get("kinds", ""), sizes)
    if fields.get("line skip", "0") != "0" or fields.get("byte skip", "0") not in ("0", "-1"):
        raise refusal(name, "its voxels are said to lie behind something else")
    return Claim(tuple(sizes), voxel_bytes * channels, offset, packing)


def meta_claim(path: Path) -> Claim:
    """The claim of a MetaImage file with its own voxels."""
    fields, offset = _meta_fields(path)
    name = path.name
    if fields.get("ElementDataFile", "").upper() != "LOCAL":
        raise _elsewhere(name)
    _require_numbers(name, fields, META_PLACES)
    if fields.get("ObjectType", "Image") != "Image" or fields.get("HeaderSize", "0") != "0":
        raise refusal(name, "its header is not that of an image with its own voxels")
    sizes = _whole_numbers(name, fields, "DimSize")
    (dimension,) = _whole_numbers(name, fields, "NDims")[:1] or (0,)
    (channels,) = _whole_numbers(name, {"ElementNumberOfChannels": "1", **fields}, "ElementNumberOfChannels")[:1] or (
        0,
    )
    if dimension != len(sizes) or not 2 <= dimension <= 4:
        raise refusal(name, f"its header claims {dimension} dimensions and has {len(sizes)} sizes")
    _require_channels(name, channels)
    voxel_bytes = META_BYTES.get(fields.get("ElementType", "").removesuffix("_ARRAY"))
    if voxel_bytes is None:
        raise refusal(name, "its header names no type that is known")
    packed = fields.get("CompressedData", "False").lower() == "true"
    if packed and not _fits(path, offset, fields.get("CompressedDataSize")):
        raise refusal(name, "it is cut short, or says a wrong size of its voxels")
    return Claim(tuple(sizes), voxel_bytes * channels, offset, DEFLATED if packed else RAW)


def _fits(path: Path, offset: int, size: str | None) -> bool:
    """Whether a packed part is as long as the file; ITK believes the header."""
    return size is None or (size.isdecimal() and int(size) == path.stat().st_size - offset)


def _nrrd_fields(path: Path) -> tuple[Fields, int]:
    fields: Fields = {}
    for line, end in _lines(path):
        if end <= 9 and not line.startswith("NRRD"):
            raise refusal(path.name, "it is no NRRD file")
        if not line:
            return fields, end
        key, colon, value = line.partition(":")
        if not line.startswith("#") and colon and not value.startswith("="):
            fields[key.strip().lower()] = value.strip()
    raise refusal(path.name, "its header has no end")


def _meta_fields(path: Path) -> tuple[Fields, int]:
    fields: Fields = {}
    for line, end in _lines(path):
        key, equals, value = line.partition("=")
        if not equals or (key := key.strip()) in fields:
            raise refusal(path.name, "it is no MetaImage file")
        fields[key] = value.strip()
        if key == "ElementDataFile":
            return fields, end
    raise refusal(path.name, "its header has no end")


def _lines(path: Path) -> Iterator[tuple[str, int]]:
    """The lines of a header, each with the place behind it; of line ends the NRRD library knows all three."""
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    start = 0
    for end in re.finditer(rb"\r\n|\n|\r", head):
        yield head[start : end.start()].decode("latin-1").rstrip(), end.end()
        start = end.end()


def _whole_numbers(name: str, fields: Fields, key: str) -> list[int]:
    words = fields.get(key, "").split()
    if not all(re.fullmatch(r"-?\d{1,18}", word) for word in words):
        raise refusal(name, f"{key} must be whole numbers")
    return [int(word) for word in words]


def _require_numbers(name: str, fields: Fields, keys: tuple[str, ...]) -> None:
    """Places and distances are finite: the readers take what they do not understand for zero or one."""
    for key in keys:
        for word in re.split(r"[\s,()]+", fields.get(key, "")):
            if word not in ("", "none") and not _is_finite(word) and not (key == "spacings" and word.lower() == "nan"):
                raise refusal(name, f"{key} must be finite numbers, got {word[:20]!r}")


def _is_finite(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _split_channels(name: str, kinds: str, sizes: list[int]) -> tuple[int, list[int]]:
    """Values per voxel, and the sizes that are places."""
    words = kinds.lower().split()
    apart = [n for n, word in enumerate(words) if any(channel in word for channel in NRRD_CHANNELS)][:1]
    if not apart or apart[0] >= len(sizes):
        return 1, sizes
    _require_channels(name, sizes[apart[0]])
    return sizes[apart[0]], [size for n, size in enumerate(sizes) if n != apart[0]]


def _require_channels(name: str, channels: int) -> None:
    if channels not in (1, 3, 4):
        raise VolumeError(f"{name} has {channels} channels; grey or RGB is expected", "image")


def _elsewhere(name: str) -> VolumeError:
    return VolumeError(f"{name} must hold its own voxels, not another file's name", "image")
