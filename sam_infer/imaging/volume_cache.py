"""LRU cache of volumes that were read lately; a file that changed on disk is read again.

Threading model. Reading happens in the caller's thread, once per file however many wait for it. The lock guards the
table and is never held while reading.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from sam_infer.imaging.cine import Cine
from sam_infer.imaging.image_file import read_cine


@dataclass(frozen=True)
class FileVersion:
    """A file as it is now; changes when the file does."""

    path: Path
    modified_ns: int
    size: int

    @classmethod
    def of(cls, path: Path) -> FileVersion:
        """The version on disk at this moment."""
        stat = path.stat()
        return cls(path, stat.st_mtime_ns, stat.st_size)


class VolumeCache:
    """LRU of images, bounded in bytes; the one in use stays whatever its size."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._volumes: OrderedDict[FileVersion, Future[Cine]] = OrderedDict()
        self.reads = 0
        self.evicted = 0

    def get(self, path: Path, modality: str | None = None) -> Cine:
        """The image at `path`, with all of its phases."""
        version = FileVersion.of(path) if path.exists() else FileVersion(path, 0, 0)
        with self._lock:
            pending = self._volumes.get(version)
            leads = pending is None
            if pending is None:
                pending = self._volumes[version] = Future()
            self._volumes.move_to_end(version)
        if leads:
            self._read(version, pending, modality)
        return pending.result()

    @property
    def used_bytes(self) -> int:
        """What is in memory now."""
        with self._lock:
            return sum(size for _, size in self._ready())

    def _read(self, version: FileVersion, pending: Future[Cine], modality: str | None) -> None:
        try:
            cine = read_cine(version.path, modality)
        except BaseException as error:  # noqa: BLE001 - every waiter gets it from the future
            with self._lock:
                self._volumes.pop(version, None)
            pending.set_exception(error)
            return
        pending.set_result(cine)
        with self._lock:
            self.reads += 1
            self._evict()

    def _ready(self) -> list[tuple[FileVersion, int]]:
        """What was read, longest unused first; called with the lock held."""
        return [(version, future.result().nbytes) for version, future in self._volumes.items() if future.done()]

    def _evict(self) -> None:
        """Drop the images longest unused until the rest fits; called with the lock held."""
        ready = self._ready()
        total = sum(size for _, size in ready)
        for version, size in ready[:-1]:
            if total <= self._most_bytes:
                return
            del self._volumes[version]
            self.evicted += 1
            total -= size
