"""Datastore over a DICOMweb archive: its images are kept as NIfTI in the host's local cache.

What is different from the stock store: every imaging modality is offered, not CT alone; a label counts as soon as it
is saved; one download per series however many readers open it; an archive that does not answer is a sentence.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import structlog
from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.datastore.utils.dicom import dicom_web_download_series
from pydicom import Dataset, dcmread

from sam_infer.errors import VolumeError
from sam_infer.imaging.cine import Cine, CineMask
from sam_infer.imaging.image_file import (
    read_cine,
    read_geometry,
    read_grid,
    read_mask,
    write_cine,
    write_cine_mask,
    write_mask,
)
from sam_infer.imaging.volume import Mask
from samlabel.access.identity import current_reader
from samlabel.access.uploads import LABEL_SUFFIXES, allowed_suffix, read_upload
from samlabel.dicom.flat_image import FlatImage
from samlabel.dicom.slice_stack import stacks_of
from samlabel.errors import ArchiveError, UnsafeNameError
from samlabel.host.handle import archive_settings
from samlabel.store.archive_client import archive_client, archive_errors
from samlabel.store.archive_images import ArchiveImages
from samlabel.store.archive_labels import LIST_SECONDS, ArchiveLabels, StoredSeg, names_of, origin_of
from samlabel.store.folder import FINAL, StudyStore
from samlabel.store.phase_segs import label_of_phases

log = structlog.get_logger(__name__)

# Series that are not pictures of a patient.
NOT_IMAGES = {"SEG", "SR", "PR", "KO", "DOC", "REG", "RTSTRUCT", "RTPLAN", "RTDOSE", "RTRECORD", "AU", "ECG", "PLAN"}

_UID = re.compile(r"[0-9][0-9.]{0,63}")
_MODALITY, _SERIES_UID = "00080060", "0020000E"


class DicomWebStore(ArchiveImages, DICOMWebDatastore, StudyStore):
    """The host's view of a DICOMweb archive; image ids are SeriesInstanceUIDs."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._downloading = threading.Lock()
        self._listed: tuple[float, list[str]] | None = None
        super().__init__(*args, **options)
        self._segs = ArchiveLabels(self._client)

    def list_images(self) -> list[str]:
        """Every series that is an image, at most some seconds old."""
        listed = self._listed
        if listed is None or time.monotonic() - listed[0] > LIST_SECONDS:
            with archive_errors():
                found = self._client.search_for_series(
                    fields=["Modality"], search_filters=self._search_filter, get_remaining=True
                )
            series = [_value(entry, _SERIES_UID) for entry in found if _value(entry, _MODALITY) not in NOT_IMAGES]
            listed = self._listed = (time.monotonic(), [uid for uid in series if uid])
        return listed[1]

    def get_labeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Series with an accepted label, in the archive or saved here."""
        with archive_errors():
            stored = {image for image in self._segs.by_image() if self._newest(image) is not None}
        return sorted((stored & set(self.list_images())) | set(StudyStore.get_labeled_images(self)))

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
            with archive_errors(image_id):
                headers = self._headers(image_id) if self._convert_to_nifti else []
                flat = FlatImage.of(headers)
                stacks = stacks_of(headers) if headers and flat is None else []
                note = stacks[0].note if stacks else None
                if flat is not None or len(stacks) > 1:
                    got = self._convert(image_id, flat)
                else:
                    got = Path(super().get_image_uri(image_id))
            if note:
                log.warning("series needs attention", series=image_id, note=note)
                self.update_image_info(image_id, {"note": note})
        if cached.is_file() and got.resolve() != cached.resolve():
            got.unlink(missing_ok=True)  # the stock store hands out its temporary file the first time, and leaves it
            return str(cached.resolve())
        return str(got)

    def get_label_uri(self, label_id: str, label_tag: str, image_id: str = "") -> str:
        """The label that was saved here, or fetched from the archive."""
        if label_tag == FINAL and label_id not in StudyStore.get_labeled_images(self):
            self._import_label(label_id)
        return StudyStore.get_label_uri(self, label_id, label_tag)

    def get_label_info(self, label_id: str, label_tag: str) -> dict[str, Any]:
        """What is recorded about a label; one that another tool stored in the archive is fetched first."""
        if label_tag == FINAL and label_id not in StudyStore.get_labeled_images(self):
            self._import_label(label_id)
        return dict(StudyStore.get_label_info(self, label_id, label_tag))

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Image and label pairs; what other tools stored in the archive is fetched first."""
        here = set(StudyStore.get_labeled_images(self))
        for image in set(self.get_labeled_images()) - here:
            try:
                self._import_label(image)
            except (VolumeError, ArchiveError) as error:
                log.warning("label of the archive left out", series=image, reason=str(error))
        return list(StudyStore.datalist(self, full_path))

    def save_label(
        self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any] | None, label_id: str = ""
    ) -> str:
        """Keep a label here and, when it is final, in the archive as DICOM SEG; lists are asked for anew.

        The archive comes first: a label that it did not take is not accepted.
        """
        with self._on_image(image_id, Path(label_filename)) as file:
            return self._save(image_id, file, label_tag, dict(label_info or {}))

    def _save(self, image_id: str, label: Path, label_tag: str, info: dict[str, Any]) -> str:
        if str(getattr(label_tag, "value", label_tag)) == FINAL:
            in_time = self._check_label(image_id, label, info)
            masks: Iterable[tuple[int | None, Mask]] = [(None, read_mask(label))]
            if in_time is not None:
                masks = in_time.by_phase().items()
            with archive_errors(image_id):
                series = [self._to_archive(image_id, mask, info, phase) for phase, mask in masks]
            info["SeriesInstanceUID"] = series[0]
            withdrawn = [uid for uid in self._withdrawn(image_id) if uid not in series]
            self.update_image_info(image_id, {"withdrawn": withdrawn})
            self.forget_lists()
        return str(StudyStore.save_label(self, image_id, str(label), label_tag, info))

    def _to_archive(self, image_id: str, mask: Mask, info: dict[str, Any], phase: int | None) -> str:
        """Send a label, or one phase of it, to the archive; its SeriesInstanceUID."""
        slices = self._slices(image_id)
        if phase is not None:
            slices = list(stacks_of(slices)[phase].slices)
        names = names_of(info, mask.values())
        return self._segs.store(mask, names, slices, origin_of(info, current_reader(), phase))

    @contextmanager
    def _on_image(self, image_id: str, label: Path) -> Iterator[Path]:
        """A label that was sent, with the place that its image has here.

        Of an image without a place in the patient every viewer thinks differently where it lies: pixels count.
        """
        allowed_suffix(label.name, LABEL_SUFFIXES, "label")
        image = self.get_image_uri(image_id)
        if not self._flat(image_id):
            yield label
            return
        mask, grid = read_upload(read_mask, label, "label"), read_geometry(image)
        if mask.geometry.world_axes != grid.world_axes or mask.geometry.shape != grid.shape:
            mask.require_same_grid(grid, "label")
        with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
            yield write_mask(Mask(mask.array, grid), Path(folder) / "label.nrrd")

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Withdraw a label: archives keep what they have, so it is recorded that its segmentations do not count."""
        if label_tag != FINAL:
            super().remove_label(label_id, label_tag)
            return
        with archive_errors(label_id):
            stored = [seg.series for seg in self._segs.by_image().get(label_id, [])]
        super().remove_label(label_id, label_tag)
        self.update_image_info(label_id, {"withdrawn": sorted({*self._withdrawn(label_id), *stored})})
        self.forget_lists()

    def forget_lists(self) -> None:
        """Ask the archive again at the next occasion."""
        self._listed = None
        self._segs.forget()

    def _withdrawn(self, image_id: str) -> list[str]:
        return list((self.get_image_info(image_id) or {}).get("withdrawn", []))

    def _newest(self, image_id: str) -> StoredSeg | None:
        """The archive's newest segmentation of a series that nobody withdrew."""
        return next(iter(self._counting(image_id)), None)

    def _counting(self, image_id: str) -> list[StoredSeg]:
        """All that nobody withdrew, the newest first."""
        withdrawn = set(self._withdrawn(image_id))
        return [seg for seg in self._segs.by_image().get(image_id, []) if seg.series not in withdrawn]

    def _slices(self, image_id: str) -> list[Dataset]:
        """The headers of a series' files, downloaded again when the cache lost them."""
        self.get_image_uri(image_id)
        return self._headers(image_id)

    def _headers(self, image_id: str) -> list[Dataset]:
        folder = Path(self._datastore.image_path()) / image_id
        if not any(folder.glob("*.dcm")):
            # Moved into place when it is whole: a download that was cut off is not half a patient.
            part = folder.with_name(f".{image_id}.part")
            shutil.rmtree(part, ignore_errors=True)
            dicom_web_download_series(None, image_id, str(part), self._client, self._fetch_by_frame)
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
        return [dcmread(path, stop_before_pixels=True) for path in sorted(folder.glob("*.dcm"))]

    def _flat(self, image_id: str) -> bool:
        """Whether a series is an image without a place in the patient; several files are none, and are not read."""
        files = list(islice((Path(self._datastore.image_path()) / image_id).glob("*.dcm"), 2))
        with archive_errors(image_id):
            return len(files) < 2 and FlatImage.of(self._headers(image_id)) is not None

    def _convert(self, image_id: str, flat: FlatImage | None) -> Path:
        """Keep an image without a place, as its pixels are shown, or one with phases: the host reads neither."""
        series = Path(self._datastore.image_path()) / image_id
        cine = read_cine(series) if flat is None else Cine((flat.read(*series.glob("*.dcm")),))
        with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
            converted = write_cine(cine, Path(folder) / "image.nii.gz")
            StudyStore.add_image(self, image_id, str(converted), self._dicom_info(image_id))
        return Path(self._datastore.image_path()) / f"{image_id}.nii.gz"

    def _import_label(self, image_id: str) -> None:
        """Keep the archive's newest label of a series here, on the series' grid."""
        with archive_errors(image_id):
            seg = self._newest(image_id)
            if seg is None:
                return
            grid, times = read_grid(self.get_image_uri(image_id))
            if times is None:
                one, named = self._segs.fetch(seg, grid)
                mask, names = CineMask((one,)), [name for _, name in sorted(named.items())]
            else:
                parts = map(self._segs.dataset, self._counting(image_id))
                mask, names = label_of_phases(parts, stacks_of(self._headers(image_id)), grid, times)
        with tempfile.TemporaryDirectory(prefix="samlabel-") as folder:
            file = write_cine_mask(mask, Path(folder) / "label.nrrd")
            info = {
                "label_info": [{"name": name} for name in names],
                "imported": True,
                "SeriesInstanceUID": seg.series,
            }
            StudyStore.save_label(self, image_id, str(file), FINAL, info)


def open_archive(address: str) -> DicomWebStore:
    """The archive at an address, with the login, prefixes and cache folder of the host's settings.

    The stock version also downloads a converter from the internet at every start.
    """
    chosen = archive_settings()
    return DicomWebStore(
        client=archive_client(address),
        search_filter=chosen.search_filter,
        cache_path=chosen.cache,
        fetch_by_frame=chosen.by_frame,
        convert_to_nifti=chosen.as_nifti,
    )


def _value(entry: dict[str, Any], tag: str) -> str | None:
    values = entry.get(tag, {}).get("Value") or [None]
    return values[0]
