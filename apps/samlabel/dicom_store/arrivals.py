"""STOW-RS uploads: DICOM instances are checked, then written whole or not at all.

The bytes are kept as they came: nothing is re-encoded. What cannot be stored is answered with the failure reason of
PS3.4, and a sentence in the log.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from pydicom import Dataset, dcmread

from sam_infer.files import write_whole
from samlabel.dicom_store.frames import MEDIA_TYPES
from samlabel.dicom_store.index import tag_of

log = structlog.get_logger(__name__)

UID = re.compile(r"[0-9]+(\.[0-9]+)*")
MAX_UID = 64

# PS3.18 table I.2-2
CANNOT_UNDERSTAND, DUPLICATE, OTHER_STUDY = 0xC000, 0x0111, 0xA900
NO_SPACE = 0xA700

# Files of ours lie apart from those that somebody else put into the folder.
STORED = "stored"


@dataclass(frozen=True)
class Arrival:
    """What became of one part; `reason` is None when it is stored."""

    sop_class: str = ""
    sop: str = ""
    path: str = ""  # /studies/../series/../instances/..
    reason: int | None = None
    sentence: str = ""


def store(part: bytes, folder: Path, study: str | None, known: dict[str, Path]) -> Arrival:
    """Keep one DICOM file; `known` says where instances with the same UID already are."""
    try:
        dataset = dcmread(io.BytesIO(part))
        uids = [str(dataset[name].value) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")]
        sop_class = str(dataset.SOPClassUID)
        sentence = _fault(dataset, uids)
    # Whatever the parser stumbles over in foreign bytes, the sender gets the same clean answer.
    except Exception as error:  # noqa: BLE001
        log.info("upload refused", reason=repr(error)[:200])
        return Arrival(reason=CANNOT_UNDERSTAND, sentence="not a complete DICOM file")
    if sentence:
        return Arrival(sop_class, uids[2][:MAX_UID], reason=CANNOT_UNDERSTAND, sentence=sentence)
    if study is not None and uids[0] != study:
        return Arrival(sop_class, uids[2], reason=OTHER_STUDY, sentence="the file belongs to another study")
    address = "/studies/{}/series/{}/instances/{}".format(*uids)
    kept = _content(known.get(uids[2]))
    if kept == part:
        return Arrival(sop_class, uids[2], address)
    if kept is not None:
        return Arrival(sop_class, uids[2], reason=DUPLICATE, sentence="another file has the same SOP Instance UID")
    try:
        write_whole(folder / STORED / uids[0] / uids[1] / f"{uids[2]}.dcm", part)
    except OSError as error:
        log.error("upload could not be written", reason=str(error))
        return Arrival(sop_class, uids[2], reason=NO_SPACE, sentence="the file could not be written")
    return Arrival(sop_class, uids[2], address)


def answer(outcomes: list[Arrival], root: str) -> dict[str, Any]:
    """The response of the store transaction as DICOM JSON."""
    stored = [o for o in outcomes if o.reason is None]
    failed = [o for o in outcomes if o.reason is not None]
    told: dict[str, Any] = {}
    if stored:
        study = stored[0].path.split("/series/")[0]
        told[tag_of("RetrieveURL")] = {"vr": "UR", "Value": [root + study]}
        told[tag_of("ReferencedSOPSequence")] = {
            "vr": "SQ",
            "Value": [{**_reference(o), tag_of("RetrieveURL"): {"vr": "UR", "Value": [root + o.path]}} for o in stored],
        }
    if failed:
        told[tag_of("FailedSOPSequence")] = {
            "vr": "SQ",
            "Value": [
                {
                    **_reference(o),
                    tag_of("FailureReason"): {"vr": "US", "Value": [o.reason]},
                    tag_of("ErrorComment"): {"vr": "LO", "Value": [o.sentence]},
                }
                for o in failed
            ],
        }
    return told


def _reference(outcome: Arrival) -> dict[str, Any]:
    named = {"ReferencedSOPClassUID": outcome.sop_class, "ReferencedSOPInstanceUID": outcome.sop}
    return {tag_of(keyword): {"vr": "UI", "Value": [uid]} for keyword, uid in named.items() if uid}


def _fault(dataset: Dataset, uids: list[str]) -> str:
    """A sentence about what makes a parsed file unusable; empty when nothing does."""
    for uid in uids:
        if len(uid) > MAX_UID or not UID.fullmatch(uid):
            return f"not a UID: {uid[:80]!r}"
    if "PixelData" not in dataset:
        return ""
    if dataset.file_meta.TransferSyntaxUID in MEDIA_TYPES:
        return "" if dataset.PixelData else "the pixel data is empty"
    samples = int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel", 1))
    wanted = samples * int(dataset.BitsAllocated) * int(dataset.get("NumberOfFrames") or 1) // 8
    if len(dataset.PixelData) < wanted:
        return f"the pixel data is cut off: {len(dataset.PixelData)} of {wanted} bytes"
    return ""


def _content(path: Path | None) -> bytes | None:
    """What a known file holds; None when it was deleted since the index looked: then it is not there to be kept."""
    try:
        return path.read_bytes() if path is not None else None
    except FileNotFoundError:
        return None
