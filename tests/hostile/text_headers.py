"""Hostile NRRD and MetaImage: formats whose header is text, and may name other files."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from tests.hostile.bombs import gzip_bomb, zlib_bomb
from tests.hostile.file import HostileFile, cut

NRRD = {
    "type": "short",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "8 7 6",
    "space directions": "(1,0,0) (0,1,0) (0,0,1)",
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(0,0,0)",
}
META = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": "1 0 0 0 1 0 0 0 1",
    "Offset": "0 0 0",
    "ElementSpacing": "1 1 1",
    "DimSize": "8 7 6",
    "ElementType": "MET_SHORT",
    "ElementDataFile": "LOCAL",
}
VOXELS = bytes(2 * 8 * 7 * 6)

# What changes in a good header; None leaves the line out.
Changes = Mapping[str, str | None]

NRRD_CHANGES: dict[str, Changes] = {
    "claims-a-cube": {"sizes": "32767 32767 32767"},
    "claims-more-than-a-machine": {"sizes": "1000000000 1000000000 1000000000"},
    "claims-a-plane": {"sizes": "60000 60000 1"},
    "size-zero": {"sizes": "8 0 6"},
    "size-negative": {"sizes": "8 -7 6"},
    "sizes-of-words": {"sizes": "eight seven six"},
    "too-few-sizes": {"sizes": "8 7"},
    "no-sizes": {"sizes": None},
    "dimension-zero": {"dimension": "0"},
    "dimension-minus-one": {"dimension": "-1"},
    "dimension-five": {
        "dimension": "5",
        "sizes": "2 2 2 2 2",
        "space": None,
        "space directions": None,
        "space origin": None,
        "kinds": None,
    },
    "dimension-thousand": {"dimension": "1000"},
    "dimension-nan": {"dimension": "nan"},
    "no-dimension": {"dimension": None},
    "directions-nan": {"space directions": "(nan,0,0) (0,1,0) (0,0,1)"},
    "directions-inf": {"space directions": "(inf,0,0) (0,1,0) (0,0,1)"},
    "directions-zero": {"space directions": "(0,0,0) (0,0,0) (0,0,0)"},
    "directions-singular": {"space directions": "(1,1,0) (1,1,0) (0,0,1)"},
    "origin-nan": {"space origin": "(nan,0,0)"},
    "type-block": {"type": "block"},
    "type-unknown": {"type": "quaternion"},
    "no-type": {"type": None},
    "encoding-unknown": {"encoding": "morse"},
    "encoding-gzip-of-nothing": {"encoding": "gzip"},
    "encoding-ascii-of-bytes": {"encoding": "ascii"},
    "no-encoding": {"encoding": None},
    "skips-far": {"byte skip": "999999999999"},
    "skips-back": {"byte skip": "-99999"},
    "skips-lines": {"line skip": "999999999"},
    "another-file": {"data file": "/etc/passwd"},
    "another-file-in-capitals": {"DATA FILE": "/etc/passwd"},
    "another-file-by-its-short-name": {"datafile": "/etc/passwd"},
    "a-list-of-files": {"data file": "LIST"},
    "a-pattern-of-files": {"data file": "/etc/%d 1 3 1"},
    "five-channels": {
        "dimension": "4",
        "sizes": "5 4 4 4",
        "kinds": "vector domain domain domain",
        "space directions": "none (1,0,0) (0,1,0) (0,0,1)",
    },
}

META_CHANGES: dict[str, Changes] = {
    "claims-a-cube": {"DimSize": "32767 32767 32767"},
    "claims-more-than-a-machine": {"DimSize": "1000000000 1000000000 1000000000"},
    "claims-beyond-an-int": {"DimSize": "4294967297 7 6"},
    "size-zero": {"DimSize": "8 0 6"},
    "size-negative": {"DimSize": "8 -7 6"},
    "sizes-of-words": {"DimSize": "eight seven six"},
    "too-few-sizes": {"DimSize": "8"},
    "no-sizes": {"DimSize": None},
    "dimensions-zero": {"NDims": "0"},
    "dimensions-minus-one": {"NDims": "-1"},
    "dimensions-five": {
        "NDims": "5",
        "DimSize": "2 2 2 2 2",
        "ElementSpacing": "1 1 1 1 1",
        "Offset": "0 0 0 0 0",
        "TransformMatrix": " ".join("1" if i % 6 == 0 else "0" for i in range(25)),
    },
    "dimensions-thousand": {"NDims": "1000"},
    "no-dimensions": {"NDims": None},
    "spacing-nan": {"ElementSpacing": "nan 1 1"},
    "spacing-inf": {"ElementSpacing": "inf 1 1"},
    "spacing-zero": {"ElementSpacing": "0 0 0"},
    "matrix-nan": {"TransformMatrix": "nan 0 0 0 1 0 0 0 1"},
    "matrix-singular": {"TransformMatrix": "1 1 0 1 1 0 0 0 1"},
    "matrix-of-zeros": {"TransformMatrix": "0 0 0 0 0 0 0 0 0"},
    "offset-nan": {"Offset": "nan 0 0"},
    "type-unknown": {"ElementType": "MET_QUATERNION"},
    "no-type": {"ElementType": None},
    "channels-billion": {"ElementNumberOfChannels": "1000000000"},
    "channels-five": {"ElementNumberOfChannels": "5"},
    "channels-minus-one": {"ElementNumberOfChannels": "-1"},
    "a-mesh": {"ObjectType": "Mesh"},
    "another-file": {"ElementDataFile": "/etc/passwd"},
    "a-list-of-files": {"ElementDataFile": "LIST"},
    "a-pattern-of-files": {"ElementDataFile": "/etc/%d 1 3 1"},
    "no-data": {"ElementDataFile": None},
    "compressed-but-is-not": {"CompressedData": "True"},
    "compressed-size-lies": {"CompressedData": "True", "CompressedDataSize": "99999999999"},
    "header-of-minus-one": {"HeaderSize": "999999999"},
}


def nrrd(changes: Changes, voxels: bytes = VOXELS, end: str = "\n") -> bytes:
    """A NRRD file with something changed in its header."""
    lines = [f"{key}: {value}" for key, value in {**NRRD, **changes}.items() if value is not None]
    return end.join(["NRRD0004", *lines, "", ""]).encode() + voxels


def meta(changes: Changes, voxels: bytes = VOXELS) -> bytes:
    """A MetaImage file with something changed in its header; where the voxels are is said last."""
    fields = {**META, **changes}
    place = fields.pop("ElementDataFile")
    fields["ElementDataFile"] = place
    return "".join(f"{key} = {value}\n" for key, value in fields.items() if value is not None).encode() + voxels


def text_header_files() -> Iterator[HostileFile]:
    """All of them."""
    for name, changes in NRRD_CHANGES.items():
        yield HostileFile(name, ".nrrd", nrrd(changes))
    for name, changes in META_CHANGES.items():
        yield HostileFile(name, ".mha", meta(changes))
    yield from cut(".nrrd", nrrd({}), (1, 4, 8, 60, 200, -1))
    yield from cut(".mha", meta({}), (1, 20, 100, 250, -1))
    yield from _elsewhere()
    large = {"sizes": "1280 1024 1000", "encoding": "gzip"}
    yield HostileFile("bomb-as-claimed", ".nrrd", nrrd(large, gzip_bomb(b"")))
    yield HostileFile("bomb-for-a-cube", ".nrrd", nrrd({**large, "sizes": "32767 32767 32767"}, gzip_bomb(b"")))
    sizes = {"DimSize": "1280 1024 1000", "CompressedData": "True"}
    yield HostileFile("bomb-as-claimed", ".mha", meta(sizes, zlib_bomb()))
    nothing = {"DimSize": "8 7 6", "CompressedData": "True", "CompressedDataSize": "5"}
    yield HostileFile("compressed-size-too-small", ".mha", meta(nothing, zlib.compress(VOXELS)))


def _elsewhere() -> Iterator[HostileFile]:
    """Another file's name, hidden from whoever looks for it."""
    away: Changes = {"data file": "/etc/passwd"}
    yield HostileFile("another-file-old-line-ends", ".nrrd", nrrd(away, b"", "\r"))
    yield HostileFile("another-file-two-character-line-ends", ".nrrd", nrrd(away, b"", "\r\n"))
    comments = "\n".join("# " + "x" * 100 for _ in range(1000))
    hidden = nrrd(away, b"").decode().replace("data file", comments + "\ndata file")
    yield HostileFile("another-file-behind-comments", ".nrrd", hidden.encode())
    padded = meta({"ElementDataFile": "/etc/passwd"}, b"").decode()
    padded = padded.replace("ElementDataFile", "Comment = " + "x" * 100_000 + "\nElementDataFile")
    yield HostileFile("another-file-behind-a-comment", ".mha", padded.encode())
    yield HostileFile(
        "another-file-twice", ".mha", meta({"ElementDataFile": "LOCAL\nElementDataFile = /etc/passwd"}, b"")
    )
    yield HostileFile("endless-header", ".nrrd", b"NRRD0004\n" + b"# x\n" * 200_000)
    yield HostileFile("endless-line", ".mha", b"ObjectType = " + b"x" * 1_000_000)
