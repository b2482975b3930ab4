"""DICOM SEG labels of a DICOMweb archive: which belong to which series, storing new ones, fetching others.

A segmentation never changes, so each is asked once what it belongs to; only their list is asked for again.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from dicomweb_client import DICOMwebClient
from pydicom import Dataset
from requests import HTTPError

from sam_infer.errors import VolumeError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from samlabel.dicom.seg_read import read_seg
from samlabel.dicom.seg_write import ALGORITHM_TYPES, MAX_TEXT, Origin, referenced_series, series_uid, write_seg
from samlabel.errors import ArchiveError

log = structlog.get_logger(__name__)

# The list is asked for with every /info: an archive need not answer each time.
LIST_SECONDS = 15.0

NOT_FOUND = 404

_STUDY, _SERIES = "0020000D", "0020000E"


@dataclass(frozen=True)
class StoredSeg:
    """One segmentation series, and the image series it lies on."""

    study: str
    series: str
    image: str
    made: str  # date and time as DICOM writes them: sorts by age


class ArchiveLabels:
    """Segmentations of an archive, shared by all threads."""

    def __init__(self, client: DICOMwebClient) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._known: dict[str, StoredSeg] = {}
        self._listed = -LIST_SECONDS
        self._present: set[str] = set()

    def by_image(self) -> dict[str, list[StoredSeg]]:
        """Segmentations per image series, the newest first."""
        with self._lock:
            if time.monotonic() - self._listed >= LIST_SECONDS:
                self._list()
            found: dict[str, list[StoredSeg]] = {}
            for seg in sorted((self._known[uid] for uid in self._present), key=lambda s: s.made, reverse=True):
                if seg.image:
                    found.setdefault(seg.image, []).append(seg)
            return found

    def forget(self) -> None:
        """Ask the archive for its list at the next occasion."""
        self._listed = -LIST_SECONDS

    def store(self, mask: Mask, names: Mapping[int, str], sources: Sequence[Dataset], origin: Origin) -> str:
        """Send a label to the archive, once in a row however often it is called; its SeriesInstanceUID.

        Readers see the newest: a label that comes back after another one is a new segmentation with a name of its own.
        """
        self.forget()
        image = str(sources[0].SeriesInstanceUID)
        stored = [seg.series for seg in self.by_image().get(image, [])]
        known = {series_uid(mask, names, image, origin, after) for after in ("", *stored)}
        if stored and stored[0] in known:
            return stored[0]
        replaces = stored[0] if known & set(stored) else ""
        segmentation = write_seg(mask, names, sources, origin, replaces)
        told = self._client.store_instances([segmentation])
        if told.get("FailedSOPSequence"):
            reason = told.FailedSOPSequence[0].get("FailureReason", "unknown")
            raise ArchiveError(f"the DICOM archive did not take the label (reason {reason})", "studies")
        self.forget()
        return str(segmentation.SeriesInstanceUID)

    def fetch(self, seg: StoredSeg, grid: Geometry) -> tuple[Mask, dict[int, str]]:
        """A segmentation as label map on an image's grid, and the name of each value."""
        return read_seg(self.dataset(seg), grid)

    def dataset(self, seg: StoredSeg) -> Dataset:
        """A segmentation as it is stored."""
        instances = self._client.retrieve_series(seg.study, seg.series)
        if not instances:
            raise ArchiveError("the DICOM archive lists a segmentation that it does not have", "studies")
        return instances[0]

    def _list(self) -> None:
        found = self._client.search_for_series(search_filters={"Modality": "SEG"}, get_remaining=True)
        present = {}
        for entry in found:
            study, series = (str((entry.get(tag, {}).get("Value") or [""])[0]) for tag in (_STUDY, _SERIES))
            present[series] = study
        for series, study in list(present.items()):
            if series in self._known:
                continue
            try:
                self._known[series] = self._ask(study, series)
            except HTTPError as error:
                if error.response is None or error.response.status_code != NOT_FOUND:
                    raise
                del present[series]  # deleted between the two questions
        self._present = set(present)
        self._listed = time.monotonic()

    def _ask(self, study: str, series: str) -> StoredSeg:
        headers = self._client.retrieve_series_metadata(study, series)
        header = Dataset.from_json(headers[0]) if headers else Dataset()
        image = referenced_series(header)
        if not image:
            log.warning("segmentation does not say which series it belongs to, left out", series=series)
        return StoredSeg(study, series, image, f"{header.get('ContentDate', '')}{header.get('ContentTime', '')}")


def names_of(info: Mapping[str, Any], values: Sequence[int]) -> dict[int, str]:
    """The name of each value, from what a client sends with a label.

    The n-th entry names value n: the `idx` that 3D Slicer sends counts segments that are not in the file.
    """
    listed = info.get("label_info") or []
    names = {
        n: str(entry["name"]) for n, entry in enumerate(listed, 1) if isinstance(entry, dict) and entry.get("name")
    }
    return {value: names.get(value, f"label {value}") for value in values}


def origin_of(info: Mapping[str, Any], reader: str, phase: int | None = None) -> Origin:
    """How a label came about, as far as the client says; a mask that a person sends is at least looked at."""
    kind = str(info.get("algorithm_type") or "SEMIAUTOMATIC").upper()
    if kind not in ALGORITHM_TYPES:
        raise VolumeError(f"algorithm_type must be one of {', '.join(ALGORITHM_TYPES)}, got {kind[:20]!r}", "params")
    model, adapter = (str(info.get(key) or "")[:MAX_TEXT] for key in ("model", "adapter"))
    return Origin(kind, model, adapter, prompts_digest(info.get("prompts")), reader, phase)


def prompts_digest(prompts: object) -> str:
    """A short hash of prompts, whatever their shape; none stays none."""
    if not prompts:
        return ""
    text = json.dumps(prompts, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
