"""Hostile DICOM: tags that are missing or absurd, sequences in sequences, lengths that lie."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from tests.hostile.file import HostileFile, cut

EXPLICIT, IMPLICIT = b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2"
DEFLATED, JPEG2000, BIG_ENDIAN = b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.2"

LONG = {b"OB", b"OW", b"SQ", b"UN", b"UT"}
ROWS, COLUMNS, FRAMES, PIXELS = (0x28, 0x10), (0x28, 0x11), (0x28, 8), (0x7FE0, 0x10)
SPACING, PLACE, DIRECTION = (0x28, 0x30), (0x20, 0x32), (0x20, 0x37)
SAMPLES, ALLOCATED, STORED, HIGH = (0x28, 2), (0x28, 0x100), (0x28, 0x101), (0x28, 0x102)
CENTRE, WIDTH, INTERCEPT, SLOPE = (0x28, 0x1050), (0x28, 0x1051), (0x28, 0x1052), (0x28, 0x1053)

Tag = tuple[int, int]
Value = tuple[bytes, bytes]  # representation and bytes


def short(number: int) -> Value:
    """An unsigned short."""
    return b"US", struct.pack("<H", number)


GOOD: dict[Tag, Value] = {
    (8, 0x16): (b"UI", b"1.2.840.10008.5.1.4.1.1.2"),
    (8, 0x18): (b"UI", b"1.2.3.4"),
    (8, 0x60): (b"CS", b"CT"),
    (0x20, 0xD): (b"UI", b"1.2.3"),
    (0x20, 0xE): (b"UI", b"1.2.3.1"),
    PLACE: (b"DS", rb"0\0\0"),
    DIRECTION: (b"DS", rb"1\0\0\0\1\0"),
    SAMPLES: short(1),
    (0x28, 4): (b"CS", b"MONOCHROME2"),
    ROWS: short(8),
    COLUMNS: short(8),
    SPACING: (b"DS", rb"1\1"),
    ALLOCATED: short(16),
    STORED: short(16),
    HIGH: short(15),
    (0x28, 0x103): short(0),
    PIXELS: (b"OW", bytes(128)),
}

MISSING = {"rows": ROWS, "columns": COLUMNS, "pixels": PIXELS, "bits": ALLOCATED}
ABSURD: dict[str, dict[Tag, Value]] = {
    "rows-65535": {ROWS: short(65535), COLUMNS: short(65535)},
    "frames-without-end": {ROWS: short(65535), COLUMNS: short(65535), FRAMES: (b"IS", b"999999")},
    "rows-zero": {ROWS: short(0)},
    "frames-negative": {FRAMES: (b"IS", b"-5")},
    "bits-zero": {ALLOCATED: short(0)},
    "bits-7": {ALLOCATED: short(7)},
    "bits-65535": {ALLOCATED: short(65535)},
    "more-bits-than-room": {STORED: short(64), HIGH: short(63)},
    "samples-zero": {SAMPLES: short(0)},
    "samples-5": {SAMPLES: short(5)},
    "too-few-pixels": {ROWS: short(800)},
    "spacing-nan": {SPACING: (b"DS", rb"nan\nan")},
    "spacing-words": {SPACING: (b"DS", rb"one\one")},
    "spacing-inf": {SPACING: (b"DS", rb"inf\inf")},
    "place-nan": {PLACE: (b"DS", rb"nan\0\0")},
    "directions-zero": {DIRECTION: (b"DS", rb"0\0\0\0\0\0")},
    "directions-equal": {DIRECTION: (b"DS", rb"1\0\0\1\0\0")},
    "directions-nan": {DIRECTION: (b"DS", rb"nan\0\0\0\1\0")},
    "slope-nan": {SLOPE: (b"DS", b"nan"), INTERCEPT: (b"DS", b"0")},
    "slope-words": {SLOPE: (b"DS", b"steep"), INTERCEPT: (b"DS", b"low")},
    "window-words": {CENTRE: (b"DS", b"middle"), WIDTH: (b"DS", b"wide")},
    "window-nan": {CENTRE: (b"DS", b"nan"), WIDTH: (b"DS", b"nan")},
}
# Nonsense beside the voxels: an image with it may be shown.
TOLERABLE = {"frames-negative", "more-bits-than-room", "spacing-words", "spacing-nan", "spacing-inf", "place-nan"}
TOLERABLE |= {"directions-zero", "directions-equal", "directions-nan", "slope-nan", "slope-words", "window-words"}
TOLERABLE |= {"window-nan", "bits-7", "samples-zero"}


def element(tag: Tag, value: Value) -> bytes:
    """One element, explicit and little-endian."""
    kind, content = value
    content += b"\0" * (len(content) % 2) if kind == b"UI" else b" " * (len(content) % 2)
    if kind in LONG:
        return struct.pack("<2H2sHI", *tag, kind, 0, len(content)) + content
    return struct.pack("<2H2sH", *tag, kind, len(content)) + content


def dicom(tags: dict[Tag, Value | None], syntax: bytes = EXPLICIT, between: bytes = b"") -> bytes:
    """A DICOM file with something changed."""
    meta = element((2, 2), GOOD[(8, 0x16)]) + element((2, 3), (b"UI", b"1.2.3.4")) + element((2, 0x10), (b"UI", syntax))
    head = bytes(128) + b"DICM" + element((2, 0), (b"UL", struct.pack("<I", len(meta)))) + meta
    fields = {tag: value for tag, value in {**GOOD, **tags}.items() if value is not None}
    before = b"".join(element(tag, fields[tag]) for tag in sorted(fields) if tag < (0x30, 0))
    after = b"".join(element(tag, fields[tag]) for tag in sorted(fields) if tag >= (0x30, 0))
    return head + before + between + after


def nested(depth: int, closed: bool = True) -> bytes:
    """Sequences in sequences, of undefined length."""
    opening = struct.pack("<2H2sHI", 0x40, 0x275, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<2HI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closing = struct.pack("<2HI", 0xFFFE, 0xE00D, 0) + struct.pack("<2HI", 0xFFFE, 0xE0DD, 0)
    return opening * depth + closing * (depth if closed else 0)


def dicom_files() -> Iterator[HostileFile]:
    """All of them."""
    for name, tag in MISSING.items():
        yield HostileFile(f"no-{name}", ".dcm", dicom({tag: None}))
    for name, changes in ABSURD.items():
        yield HostileFile(name, ".dcm", dicom(dict(changes)), name not in TOLERABLE)
    whole = dicom({})
    yield from cut(".dcm", whole, (1, 128, 131, 140, 200, 300, -100))
    for depth in (100, 20_000, 200_000):
        yield HostileFile(f"{depth}-sequences", ".dcm", dicom({}, between=nested(depth)), must_fail=depth > 100)
    yield HostileFile("open-sequences", ".dcm", dicom({}, between=nested(1000, closed=False)))
    lying = struct.pack("<2H2sHI", 0x40, 0x275, b"SQ", 0, 0x7FFFFFF0)
    yield HostileFile("sequence-longer-than-file", ".dcm", dicom({}, between=lying))
    yield HostileFile(
        "element-longer-than-file", ".dcm", dicom({}, between=struct.pack("<2H2sHI", 0x40, 1, b"OB", 0, 2**31))
    )
    for name, syntax in (("jpeg2000-of-zeros", JPEG2000), ("deflated-of-zeros", DEFLATED), ("swapped", BIG_ENDIAN)):
        yield HostileFile(name, ".dcm", dicom({}, syntax), must_fail=syntax != JPEG2000)
    yield HostileFile("syntax-unknown", ".dcm", dicom({}, b"1.2.3.4.5"))
    yield HostileFile("implicit-that-is-explicit", ".dcm", dicom({}, IMPLICIT), must_fail=False)
    yield HostileFile("text", ".dcm", b"hello, I am a patient\n" * 20)
    yield HostileFile("zeros", ".dcm", bytes(1000))
