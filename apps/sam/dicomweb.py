"""Images of a DICOMweb archive, kept as NIfTI in the host's local cache.

What is different from the stock store: every imaging modality is offered, not CT alone; a label counts as soon as it
is saved; one download per series however many readers open it; an archive that does not answer is a sentence.
"""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import structlog
from dicomweb_client.session_utils import create_session_from_user_pass
from monailabel.config import settings
from monailabel.datastore.dicom import DICOMwebClientX, DICOMWebDatastore

from sam_infer.image_file import read_mask
from samlabel.datastore import StudyStore
from samlabel.errors import ArchiveError, NotFoundError, UnsafeNameError
from samlabel.uploads import read_upload

log = structlog.get_logger(__name__)

# Series that are not pictures of a patient.
NOT_IMAGES = {"SEG", "SR", "PR", "KO", "DOC", "REG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "AU", "ECG", "PLAN"}

# The list is asked for with every /info: an archive need not answer each time.
LIST_SECONDS = 15.0

# The program that the stock store makes DICOM SEG with.
SEG_CONVERTER = "itkimage2segimage"

_UID = re.compile(r"[0-9][0-9.]{0,63}")
_MODALITY, _SERIES_UID = "00080060", "0020000E"


class DicomWebStore(DICOMWebDatastore, StudyStore):
    """The host's view of a DICOMweb archive; image ids are SeriesInstanceUIDs."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._downloading = threading.Lock()
        self._listed: tuple[float, list[str]] | None = None
        super().__init__(*args, **options)

    def list_images(self) -> list[str]:
        """Every series that is an image, at most some seconds old."""
        listed = self._listed
        if listed is None or time.monotonic() - listed[0] > LIST_SECONDS:
            with _archive_errors():
                found = self._client.search_for_series(
                    fields=["Modality"], search_filters=self._search_filter, get_remaining=True
                )
            series = [_value(entry, _SERIES_UID) for entry in found if _value(entry, _MODALITY) not in NOT_IMAGES]
            listed = self._listed = (time.monotonic(), [uid for uid in series if uid])
        return listed[1]

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Series with an accepted label, in the archive or saved here."""
        with _archive_errors():
            stored = set(super().get_labeled_images())
        return sorted(stored | set(StudyStore.get_labeled_images(self)))

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Series without an accepted label."""
        labeled = set(self.get_labeled_images())
        return [uid for uid in self.list_images() if uid not in labeled]

    def get_image_uri(self, image_id: str) -> str:
        """The series as a local file: always the cached one, downloaded by one thread."""
        if not isinstance(image_id, str) or not _UID.fullmatch(image_id):
            raise UnsafeNameError(f"image must be a SeriesInstanceUID, got {image_id!r}", "image")
        cached = Path(self._datastore.image_path()) / f"{image_id}.nii.gz"
        with self._downloading:
            if self._convert_to_nifti and cached.is_file():
                return str(cached.resolve())
            with _archive_errors(image_id):
                got = Path(super().get_image_uri(image_id))
        if cached.is_file() and got.resolve() != cached.resolve():
            got.unlink(missing_ok=True)  # the stock store hands out its temporary file the first time, and leaves it
            return str(cached.resolve())
        return str(got)

    def get_label_uri(self, label_id: str, label_tag: str, image_id: str = "") -> str:
        """The label that was saved here."""
        return StudyStore.get_label_uri(self, label_id, label_tag)

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Image and label pairs; the stock store deletes labels here that the archive does not list."""
        return list(StudyStore.datalist(self, full_path))

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any] | None, label_id: str = ""
    ) -> str:
        """Keep a label here and, when it is final, in the archive; lists are asked for anew."""
        self.get_image_uri(image_id)
        if shutil.which(SEG_CONVERTER):
            saved = super().save_label(image_id, label_filename, label_tag, label_info or {}, label_id)
        else:
            log.warning("label kept here, not sent to the archive", missing=SEG_CONVERTER, series=image_id)
            saved = StudyStore.save_label(self, image_id, label_filename, label_tag, label_info)
        self.forget_lists()
        return str(saved)

    def forget_lists(self) -> None:
        """Ask the archive again at the next occasion."""
        self._listed = None
        DICOMWebDatastore.get_labeled_images.cache_clear()

    def _check_label(self, image_id: str, source: Path) -> None:
        """Segmentations that come back from an archive may cover a part of the image's grid."""
        read_upload(read_mask, source, "label")


def open_archive(address: str) -> DicomWebStore:
    """The archive at an address, with the login, prefixes and cache folder of the host's settings.

    The stock version also downloads a converter from the internet at every start.
    """
    user, password = settings.MONAI_LABEL_DICOMWEB_USERNAME, settings.MONAI_LABEL_DICOMWEB_PASSWORD
    client = DICOMwebClientX(
        url=address.strip().rstrip("/"),
        session=create_session_from_user_pass(user, password) if user and password else None,
        qido_url_prefix=settings.MONAI_LABEL_QIDO_PREFIX,
        wado_url_prefix=settings.MONAI_LABEL_WADO_PREFIX,
        stow_url_prefix=settings.MONAI_LABEL_STOW_PREFIX,
    )
    return DicomWebStore(
        client=client,
        search_filter=settings.MONAI_LABEL_DICOMWEB_SEARCH_FILTER,
        cache_path=settings.MONAI_LABEL_DICOMWEB_CACHE_PATH.strip() or None,
        fetch_by_frame=settings.MONAI_LABEL_DICOMWEB_FETCH_BY_FRAME,
        convert_to_nifti=settings.MONAI_LABEL_DICOMWEB_CONVERT_TO_NIFTI,
    )


@contextmanager
def _archive_errors(series: str | None = None) -> Iterator[None]:
    """The archive's failures as sentences."""
    try:
        yield
    except IndexError:
        raise NotFoundError(f"the DICOMweb archive has no series {series}", "image") from None
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status == 404 and series:
            raise NotFoundError(f"the DICOMweb archive has no series {series}", "image") from None
        hint = "; set MONAI_LABEL_DICOMWEB_USERNAME and _PASSWORD" if status in (401, 403) else ""
        raise ArchiveError(f"the DICOMweb archive answered with status {status}{hint}", "studies") from error
    except requests.RequestException as error:
        log.warning("archive unreachable", reason=repr(error))
        raise ArchiveError(
            "the DICOMweb archive cannot be reached; check its address and that it runs", "studies"
        ) from None


def _value(entry: dict[str, Any], tag: str) -> str | None:
    values = entry.get(tag, {}).get("Value") or [None]
    return values[0]
