"""LRU cache of volumes that were read lately; a file that changed on disk is read again.

Threading model. A file is read once however many wait for it: in the thread of the first who wants it whole, in one of
its own where somebody wants a slice. The lock guards the table and is never held while reading.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from sam_infer.imaging.arriving import ArrivingVolume
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


@dataclass(frozen=True)
class _Reading:
    """An image from the first slice on, and whole."""

    begun: Future[Cine] = field(default_factory=Future)
    whole: Future[Cine] = field(default_factory=Future)


class VolumeCache:
    """LRU of images, bounded in bytes; the one in use stays whatever its size."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._volumes: OrderedDict[FileVersion, _Reading] = OrderedDict()
        self.reads = 0
        self.evicted = 0

    def get(self, path: Path) -> Cine:
        """The image at `path`, with all of its phases."""
        version, reading, leads = self._reading(path)
        if leads:
            self._read(version, reading)
        return reading.whole.result()

    def begun(self, path: Path) -> Cine:
        """The same as soon as its first slice can be looked at, where that is before it has been read."""
        version, reading, leads = self._reading(path)
        if leads:
            threading.Thread(target=self._read, args=(version, reading), name="read", daemon=True).start()
        return reading.whole.result() if reading.whole.done() else reading.begun.result()

    def _reading(self, path: Path) -> tuple[FileVersion, _Reading, bool]:
        """The reading of a file, and whether the caller has to do it."""
        version = FileVersion.of(path) if path.exists() else FileVersion(path, 0, 0)
        with self._lock:
            leads = version not in self._volumes
            reading = self._volumes.setdefault(version, _Reading())
            self._volumes.move_to_end(version)
        return version, reading, leads

    @property
    def used_bytes(self) -> int:
        """What is in memory now."""
        with self._lock:
            return sum(size for _, size in self._ready())

    def _read(self, version: FileVersion, reading: _Reading) -> None:
        coming = list[ArrivingVolume]()

        def arriving(volume: ArrivingVolume) -> None:
            coming.append(volume)
            reading.begun.set_result(Cine((volume,)))

        try:
            cine = read_cine(version.path, arriving=arriving)
        except BaseException as error:  # noqa: BLE001 - every waiter gets it from the future
            with self._lock:
                self._volumes.pop(version, None)
            for volume in coming:
                volume.reading.settle(error)
            reading.whole.set_exception(error)
            if not coming:
                reading.begun.set_exception(error)
            return
        for volume in coming:
            volume.reading.settle(cine.phases[0])
        reading.whole.set_result(cine)
        if not coming:
            reading.begun.set_result(cine)
        with self._lock:
            self.reads += 1
            self._evict()
        for volume in coming:
            _ = cine.phases[0].digest
            volume.reading.hashed.set_result(cine.phases[0])

    def _ready(self) -> list[tuple[FileVersion, int]]:
        """What was read, longest unused first; called with the lock held."""
        done = [(version, one.whole) for version, one in self._volumes.items() if one.whole.done()]
        return [(version, whole.result().nbytes) for version, whole in done]

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
