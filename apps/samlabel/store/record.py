"""The host's folder datastore with transactions: safe against other threads, other processes and crashes.

The stock store keeps its record (`datastore_v2.json`) in memory and rewrites the whole file from there, in place: of
two processes the last one wins, a crash leaves half a file, and readers meet dictionaries that change under them.

Here every change is a transaction: lock, read what others wrote, change, write beside, move. What readers hold is never
changed, it is replaced, so they need no lock. The lock is one per process and one file per folder.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastore, LocalDatastoreModel

from sam_infer.files import write_whole
from samlabel.access.uploads import IMAGE_SUFFIXES
from samlabel.errors import NotFoundError
from samlabel.store.answers import answers_in

log = structlog.get_logger(__name__)

LOCK_NAME = ".samlabel.lock"

_PROCESS_LOCK = threading.RLock()

Objects = dict[str, ImageLabelModel]


class RecordedStore(LocalDatastore):
    """A `LocalDatastore` whose record survives other threads and processes."""

    def __init__(self, datastore_path: str, **options: Any) -> None:
        folder = Path(datastore_path)
        folder.mkdir(parents=True, exist_ok=True)
        self._file_lock = FileLock(str(folder / LOCK_NAME))
        self._depth = 0
        self._stamp: tuple[int, int, int] | None = None
        extensions = tuple(f"*{suffix}" for suffix in IMAGE_SUFFIXES)
        super().__init__(datastore_path=datastore_path, extensions=extensions, **options)
        if self._auto_reload:
            vars(self._handler)["on_moved"] = self._on_moved

    def close(self) -> None:
        """Stop watching the folder."""
        if self._auto_reload:
            self._observer.stop()
            self._observer.join()

    def set_name(self, name: str) -> None:
        """Name the data set."""
        with self._transaction():
            super().set_name(name)

    def set_description(self, description: str) -> None:
        """Describe the data set."""
        with self._transaction():
            super().set_description(description)

    def update_image_info(self, image_id: str, info: Mapping[str, Any]) -> None:
        """Merge facts into what is recorded about an image."""

        def merged(entry: ImageLabelModel) -> ImageLabelModel:
            image = DataModel(ext=entry.image.ext, info={**entry.image.info, **info})
            return ImageLabelModel(image=image, labels=entry.labels)

        self._change(image_id, merged)

    def update_label_info(self, label_id: str, label_tag: str, info: Mapping[str, Any]) -> None:
        """Merge facts into what is recorded about a label."""

        def merged(entry: ImageLabelModel) -> ImageLabelModel:
            label = entry.labels.get(label_tag)
            if label is None:
                raise NotFoundError(f"image {label_id!r} has no label with tag {label_tag!r}", "tag")
            changed = DataModel(ext=label.ext, info={**label.info, **info})
            return ImageLabelModel(image=entry.image, labels={**entry.labels, label_tag: changed})

        self._change(label_id, merged)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Alone with the record, as it is on disk now; may be nested."""
        with _PROCESS_LOCK, self._file_lock:
            if self._depth == 0:
                self._init_from_datastore_file()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    def _change(self, image_id: str, change: Callable[[ImageLabelModel], ImageLabelModel]) -> None:
        """Replace one image's entry by a changed copy and write."""
        with self._transaction():
            entry = self._datastore.objects.get(image_id)
            if entry is None:
                raise NotFoundError(f"there is no image {image_id!r}", "image")
            self._replace_objects({**self._datastore.objects, image_id: change(entry)})

    def _replace_objects(self, objects: Objects) -> None:
        self._datastore = self._datastore.model_copy(update={"objects": objects})
        self._update_datastore_file()

    def _reconcile_datastore(self) -> None:
        """Bring the record in line with the files: new ones in, vanished ones out, recorded facts kept."""
        with self._transaction():
            before = self._datastore.objects
            images = self._images(before)
            labels_root = Path(self._datastore.label_path(None))
            tags = sorted(path.name for path in labels_root.glob("*/"))
            labels = {tag: self._files(self._datastore.label_path(tag)) for tag in tags}
            after = {name: _entry(before.get(name), name, files, labels) for name, files in images.items()}
            if after != before:
                self._replace_objects(after)

    def _images(self, before: Objects) -> dict[str, list[str]]:
        """Suffixes of the image files per id; what `samlabel predict` wrote beside them is no image."""
        folder = self._datastore.image_path()
        answers = {self._to_id(file)[0] for file in answers_in(Path(folder))} - set(before)
        return {name: files for name, files in self._files(folder).items() if name not in answers}

    def _files(self, folder: str) -> dict[str, list[str]]:
        """Suffixes of the files per id, in alphabetical order; hidden files are nobody's images."""
        found: dict[str, list[str]] = {}
        if not Path(folder).is_dir():
            return found
        for file in sorted(self._list_files(folder, self._extensions)):
            if not file.startswith("."):
                name, suffix = self._to_id(file)
                found.setdefault(name, []).append(suffix)
        return found

    def _to_id(self, file: str) -> tuple[str, str]:
        """Id and suffix of a file name; the stock version removes the suffix anywhere in the name."""
        suffixes = sorted((pattern.replace("*", "") for pattern in self._extensions), key=len, reverse=True)
        suffix = next((s for s in suffixes if file.endswith(s)), Path(file).suffix)
        return file.removesuffix(suffix), suffix

    def _init_from_datastore_file(self, throw_exception: bool = False) -> None:
        """Read the record if it changed; a damaged one is set aside, and the files tell what is there."""
        path = Path(self._datastore_config_path)
        with _PROCESS_LOCK, self._file_lock:
            stamp = _stamp(path)
            if stamp is None or stamp == self._stamp:
                return
            try:
                record = LocalDatastoreModel.model_validate_json(path.read_text())
            except ValueError as error:
                aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
                path.replace(aside)
                log.error(
                    "the record of the studies folder is damaged and set aside", file=aside.name, reason=str(error)
                )
                return
            record.base_path = self._datastore_path
            self._datastore, self._stamp = record, stamp

    def _update_datastore_file(self, lock: bool = True) -> None:
        """Write the record beside its place and move it there: whole or not at all."""
        path = Path(self._datastore_config_path)
        with _PROCESS_LOCK, self._file_lock:
            text = json.dumps(self._datastore.model_dump(exclude={"base_path"}), indent=2, default=str)
            write_whole(path, text, durable=True)
            self._stamp = _stamp(path)

    def _on_modify_event(self, event: Any) -> None:
        """Somebody edited the record in place."""
        if event.src_path == self._datastore_config_path:
            self._init_from_datastore_file()

    def _on_moved(self, event: Any) -> None:
        """A file was moved to its place, as careful writers do: the stock store overlooks these."""
        if event.dest_path == self._datastore_config_path:
            self._init_from_datastore_file()
        else:
            self.refresh()


def _entry(
    known: ImageLabelModel | None, name: str, suffixes: list[str], labels: Mapping[str, dict[str, list[str]]]
) -> ImageLabelModel:
    """What is recorded about one image, given the files that are there."""
    image = _recorded(known.image if known else None, name, suffixes)
    tags = known.labels if known else {}
    return ImageLabelModel(
        image=image,
        labels={tag: _recorded(tags.get(tag), name, files[name]) for tag, files in labels.items() if name in files},
    )


def _recorded(known: DataModel | None, name: str, suffixes: list[str]) -> DataModel:
    if known is not None and known.ext in suffixes:
        return known
    return DataModel(ext=suffixes[0], info={"ts": int(time.time()), "name": name + suffixes[0]})


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file does."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
