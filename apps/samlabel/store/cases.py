"""What projects look at: the cases of a store, with what its archive says of each before anything is downloaded."""

from __future__ import annotations

import time
import weakref
from typing import Any

from dicomweb_client import DICOMwebClient

from samlabel.logins.projects import Case
from samlabel.store.archive import DicomWebStore
from samlabel.store.folder import StudyStore

# As old as a list of cases may be.
SECONDS = 15.0

_ASKED = ["Modality", "PatientID", "SeriesDescription", "StudyDescription"]
_SERIES_UID, _STUDY_UID, _PATIENT, _MODALITY = "0020000E", "0020000D", "00100020", "00080060"
_DESCRIPTIONS = ("0008103E", "00081030")

_known: weakref.WeakKeyDictionary[StudyStore, tuple[float, list[Case]]] = weakref.WeakKeyDictionary()


def cases_of(store: StudyStore) -> list[Case]:
    """Every case. Files in a folder say nothing of a patient that anybody could rely on: there it is their names."""
    if not isinstance(store, DicomWebStore):
        return [Case(image) for image in store.list_images()]
    known = _known.get(store)
    if known is None or time.monotonic() - known[0] > SECONDS:
        listed = set(store.list_images())  # first: an archive that is away is a sentence there
        found = _series(vars(store)["_client"])
        known = _known[store] = (time.monotonic(), [case for case in found if case.image in listed])
    return known[1]


def _series(client: DICOMwebClient) -> list[Case]:
    return [_case(entry) for entry in client.search_for_series(fields=_ASKED, get_remaining=True)]


def _case(entry: dict[str, Any]) -> Case:
    def told(tag: str) -> str:
        return str((entry.get(tag, {}).get("Value") or [""])[0])

    description = " ".join(told(tag) for tag in _DESCRIPTIONS).strip()
    return Case(told(_SERIES_UID), told(_STUDY_UID), told(_PATIENT), description, told(_MODALITY))
