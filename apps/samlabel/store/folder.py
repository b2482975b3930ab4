"""Datastore over a studies folder: images at the top, labels in `labels/TAG/`. Nothing is written outside it.

Every id, tag and suffix that comes from a client is checked before a path is made of it, every file is read once
before it is accepted, and appears in its place whole or not at all.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
from monailabel.datastore.local import DataModel, ImageLabelModel

from sam_infer.errors import VolumeError
from sam_infer.files import write_whole
from sam_infer.imaging.image_file import FLAT_SUFFIXES, read_grid, read_image
from samlabel.access.identity import current_reader
from samlabel.access.names import check_name, check_tag
from samlabel.access.uploads import IMAGE_SUFFIXES, LABEL_SUFFIXES, allowed_suffix, read_upload
from samlabel.errors import NotFoundError, RequestError
from samlabel.store.leases import Leases, holder
from samlabel.store.phase_labels import LabelInTime, require_phases
from samlabel.store.record import RecordedStore

log = structlog.get_logger(__name__)

# The tag of accepted labels: the ones that count, and that an archive gets.
FINAL = "final"


class StudyStore(RecordedStore):
    """The host's view of a studies folder, with checked names and checked files."""

    @cached_property
    def leases(self) -> Leases:
        """Who has which case open."""
        return Leases(Path(self._datastore_path))

    def get_image_uri(self, image_id: str) -> str:
        """The image's file; refused when there is none."""
        path = super().get_image_uri(check_name(image_id, "image"))
        if not path:
            raise NotFoundError(f"there is no image {image_id!r} in this studies folder", "image")
        return str(path)

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """The label's file; refused when there is none."""
        path = super().get_label_uri(check_name(label_id, "label"), check_tag(label_tag))
        if not path:
            raise NotFoundError(f"image {label_id!r} has no label with tag {label_tag!r}", "label")
        return str(path)

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any] | None) -> str:
        """Take a copy of an image under an id; the id alone decides the name, the file alone the suffix."""
        source = Path(image_filename)
        suffix = allowed_suffix(source.name, IMAGE_SUFFIXES, "file")
        name = check_name(image_id or source.name.removesuffix(suffix), "image")
        if name.endswith(IMAGE_SUFFIXES):
            raise VolumeError(f"image must be an id without the suffix, got {name!r}", "image")
        self._check_image(source)
        with self._transaction():
            before = self._datastore.objects.get(name)
            if before is not None and before.image.ext != suffix:
                raise VolumeError(f"image {name!r} is there already, as a {before.image.ext} file", "image")
            _place(source, Path(self._datastore.image_path()) / f"{name}{suffix}")
            image = DataModel(ext=suffix, info={**(image_info or {}), **_facts(name + suffix)})
            entry = ImageLabelModel(image=image, labels=before.labels if before else {})
            self._replace_objects({**self._datastore.objects, name: entry})
        log.info("image added", image=name, reader=current_reader())
        return name

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any] | None) -> str:
        """Take a copy of a label map; it replaces the image's label of that tag, or one phase of it."""
        source, tag = Path(label_filename), check_tag(getattr(label_tag, "value", label_tag))
        suffix = allowed_suffix(source.name, LABEL_SUFFIXES, "label")
        check_name(image_id, "image")
        in_time = self._check_label(image_id, source, label_info or {})
        with self._transaction():
            entry = self._datastore.objects.get(image_id)
            if entry is None:
                raise NotFoundError(f"there is no image {image_id!r}", "image")
            folder, old = Path(self._datastore.label_path(tag)), entry.labels.get(tag)
            about: dict[str, Any] = {}
            if in_time is None:
                _place(source, folder / f"{image_id}{suffix}")
            else:
                suffix = ".nii.gz"
                stored = None if old is None else folder / f"{image_id}{old.ext}"
                with in_time.file(stored) as (whole, about):
                    _place(whole, folder / f"{image_id}{suffix}")
            if old is not None and old.ext != suffix:
                (folder / f"{image_id}{old.ext}").unlink(missing_ok=True)
            info = {**(label_info or {}), **about, **_facts(image_id + suffix), "reader": current_reader()}
            labels = {**entry.labels, tag: DataModel(ext=suffix, info=info)}
            self._replace_objects(
                {**self._datastore.objects, image_id: ImageLabelModel(image=entry.image, labels=labels)}
            )
        if tag == FINAL and not info.get("imported"):
            self.leases.end(image_id, holder(info))
        log.info("label saved", image=image_id, tag=tag, reader=current_reader())
        return image_id

    def remove_image(self, image_id: str) -> None:
        """Delete an image and its labels."""
        with self._transaction():
            self.get_image_uri(image_id)
            super().remove_image(image_id)
            self.refresh()

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Delete a label."""
        with self._transaction():
            super().remove_label(label_id, label_tag)
            self.refresh()

    def get_dataset_archive(self, limit_cases: int | None) -> str:
        """Images with their accepted labels as a ZIP file, which the caller deletes; refused when there are none."""
        if limit_cases is not None and limit_cases < 1:
            raise RequestError(f"limit_cases must be at least 1, got {limit_cases}", "limit_cases")
        if not self.get_labeled_images():
            raise NotFoundError("there is no accepted label yet, and so no dataset to send", "studies")
        return str(super().get_dataset_archive(limit_cases))

    def _check_image(self, source: Path) -> None:
        """Refuse what could not be served: truncated, empty, five-dimensional."""
        read_upload(read_image, source, "file")

    def _check_label(self, image_id: str, source: Path, info: Mapping[str, Any]) -> LabelInTime | None:
        """Refuse a label map that is not on its image's grid, or of other phases; how it fits an image in time."""
        image = Path(self.get_image_uri(image_id))
        grid, times = read_grid(image)
        mask, in_time = require_phases(source, grid, times, info)
        flat = image.name.lower().endswith(FLAT_SUFFIXES)
        if not flat or mask.geometry.shape != grid.shape:  # a photograph has no place in space that a viewer could keep
            mask.phases[0].require_same_grid(grid, "label")
        return in_time


def _place(source: Path, target: Path) -> None:
    """Copy beside the target, then move: whoever reads sees the old file or the new one."""
    write_whole(target, lambda part: shutil.copyfile(source, part))


def _facts(name: str) -> dict[str, Any]:
    return {"ts": int(time.time()), "name": name}
