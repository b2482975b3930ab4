"""What a running server remembers: the last volumes, the embeddings, the current predictor.

The only stateful object of the project. It can be thrown away at any time without changing an answer.

Threading model. Any number of threads call `predict`. Reading a volume happens in the caller's thread, once per file
however many wait for it. Everything that computes goes through one `WorkQueue`, clicks first, so that a single
device is never shared by two networks at once. `_lock` guards the table of volumes and is never held while reading
or computing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path

from sam_infer.image_file import read_image
from sam_infer.memo import Memo
from sam_infer.predictor import Options, Prediction, Predictor
from sam_infer.prompts import Prompts
from sam_infer.volume import Volume
from sam_infer.work_queue import Priority, WorkQueue


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


class Serving:
    """Volumes in memory, one queue, one predictor that may be replaced while running.

    `follow` is asked before every request which predictor answers it, and is handed the one that answered last;
    `earlier` finds those of earlier adapters, to compare with.
    """

    def __init__(
        self,
        predictor: Predictor,
        volume_bytes: int = 2 << 30,
        workers: int = 1,
        follow: Callable[[Predictor], Predictor] | None = None,
        earlier: Callable[[Predictor], Sequence[Predictor]] = lambda _: (),
    ) -> None:
        self.queue = WorkQueue(workers)
        self.memo = Memo()  # of the automatic modes
        self._predictor = predictor
        self._follow = follow
        self.earlier = earlier
        self._volume_bytes = volume_bytes
        self._lock = threading.Lock()
        self._volumes: OrderedDict[FileVersion, Future[Volume]] = OrderedDict()

    @property
    def predictor(self) -> Predictor:
        """The predictor that answers the next request; those under way finish with the one they began with."""
        if self._follow is not None:
            self._predictor = self._follow(self._predictor)
        return self._predictor

    def volume(self, path: Path, modality: str | None = None) -> Volume:
        """The image at `path`, read once while it does not change."""
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

    def predict(
        self,
        path: Path,
        prompts: Prompts,
        index: int,
        options: Options | None = None,
        predictor: Predictor | None = None,
    ) -> Prediction:
        """One click's answer; the seconds tell reading and waiting apart from computing.

        `predictor` is one that was taken from here earlier, for an answer that also says which network gave it.
        """
        started = time.perf_counter()
        volume = self.volume(path)
        read = time.perf_counter()
        chosen = predictor or self.predictor
        prediction = self.queue.submit(lambda: chosen.predict(volume, prompts, index, options), Priority.CLICK).result()
        busy = sum(prediction.seconds.values())
        waited = max(0.0, time.perf_counter() - read - busy)
        seconds = {"read": read - started, "wait": waited, **prediction.seconds}
        return replace(prediction, seconds=seconds)

    def close(self) -> None:
        """End the worker threads."""
        self.queue.close()

    def _read(self, version: FileVersion, pending: Future[Volume], modality: str | None) -> None:
        try:
            volume = read_image(version.path, modality)
        except BaseException as error:  # noqa: BLE001 - every waiter gets it from the future
            with self._lock:
                self._volumes.pop(version, None)
            pending.set_exception(error)
            return
        pending.set_result(volume)
        with self._lock:
            self._evict()

    def _evict(self) -> None:
        """Drop the volumes longest unused until the rest fits; called with the lock held."""
        ready = [(version, future.result().nbytes) for version, future in self._volumes.items() if future.done()]
        total = sum(size for _, size in ready)
        for version, size in ready[:-1]:
            if total <= self._volume_bytes:
                return
            del self._volumes[version]
            total -= size
