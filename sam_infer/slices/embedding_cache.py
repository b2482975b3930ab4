"""Embedding cache: encoded slices in memory (LRU) and on disk, so that a slice is encoded once.

Two bounded stores, one law: same key, same features. The key holds everything that could change them, so a new
encoder or another window is another key and nobody has to remember to invalidate. Threads that want the same new
slice wait for one encode. What is read from disk is checked; what fails the check is deleted and encoded again.

An image that is still being read has no digest yet: its features are kept under a name that only it has, in memory
alone, until `rename` tells the digest.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from sam_infer.errors import CacheError
from sam_infer.imaging.arriving import is_arriving
from sam_infer.networks.backbone import Features
from sam_infer.slices.embedding_files import CacheStats, EmbeddingFiles


@dataclass(frozen=True)
class EmbeddingKey:
    """Everything that determines the features of one frame."""

    image: str  # digest of the voxels
    axis: int
    index: int
    window: str
    crop: str
    input_size: int
    encoder: str  # hash of the encoder as served
    depth: int = 1  # slices that the encoder looks at, the one of `index` in the middle

    @property
    def digest(self) -> str:
        """The key as a file name."""
        facts = asdict(self)
        if self.depth == 1:  # not written, so that what was stored before there were stacks is found again
            del facts["depth"]
        return hashlib.blake2b(json.dumps(facts, sort_keys=True).encode(), digest_size=20).hexdigest()


@dataclass
class _Pending:
    done: threading.Event = field(default_factory=threading.Event)
    features: Features | None = None
    error: BaseException | None = None


class EmbeddingCache:
    """LRU of features, bounded in bytes; thread-safe. `folder=None` keeps nothing on disk."""

    def __init__(self, memory_bytes: int = 512 << 20, folder: Path | None = None, disk_bytes: int = 4 << 30) -> None:
        self.stats = CacheStats()
        self._memory_bytes = memory_bytes
        self._files = EmbeddingFiles(folder, disk_bytes, self.stats) if folder is not None else None
        self._lock = threading.Lock()
        self._entries: OrderedDict[EmbeddingKey, Features] = OrderedDict()
        self._used = 0
        self._pending: dict[EmbeddingKey, _Pending] = {}

    def get(self, key: EmbeddingKey, encode: Callable[[], Features]) -> Features:
        """Features of `key`, from memory, from disk, or from `encode`, which runs at most once at a time per key."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                self.stats.memory_hits += 1
                return self._entries[key]
            pending = self._pending.get(key)
            leads = pending is None
            if pending is None:
                pending = self._pending[key] = _Pending()
        if leads:
            return self._lead(key, pending, encode)
        pending.done.wait()
        if pending.error is not None:
            raise pending.error
        if pending.features is None:
            raise CacheError("an encode ended without a result")
        return pending.features

    def contains(self, key: EmbeddingKey) -> bool:
        """Whether `get` would answer without encoding."""
        with self._lock:
            if key in self._entries:
                return True
        files = self._files_of(key)
        return files is not None and files.contains(key.digest)

    @property
    def used_bytes(self) -> int:
        """What is in memory now."""
        return self._used

    def clear_memory(self) -> None:
        """Forget what is in memory; the disk keeps it."""
        with self._lock:
            self._entries.clear()
            self._used = 0

    def rename(self, image: str, digest: str | None) -> None:
        """What is known of an image that was being read is known by its digest from now on; None: forget it."""
        with self._lock:
            known = [(key, self._entries.pop(key)) for key in list(self._entries) if key.image == image]
            self._used -= sum(_size(features) for _, features in known)
        for key, features in known if digest is not None else ():
            named = replace(key, image=digest or "")
            self._remember(named, features)
            files = self._files_of(named)
            if files is not None and not files.contains(named.digest):
                files.write_soon(named.digest, features)

    def flush(self) -> None:
        """Come back when what is known is on disk, too."""
        if self._files is not None:
            self._files.flush()

    def _files_of(self, key: EmbeddingKey) -> EmbeddingFiles | None:
        return None if is_arriving(key.image) else self._files

    def _lead(self, key: EmbeddingKey, pending: _Pending, encode: Callable[[], Features]) -> Features:
        try:
            files = self._files_of(key)
            features = files.read(key.digest) if files is not None else None
            if features is None:
                started = time.perf_counter()
                features = dict(encode())
                with self._lock:
                    self.stats.encodes += 1
                    self.stats.encode_seconds[key.encoder] = time.perf_counter() - started
                if files is not None:
                    files.write_soon(key.digest, features)
            pending.features = features
            self._remember(key, features)
            return features
        except BaseException as error:
            pending.error = error
            raise
        finally:
            with self._lock:
                self._pending.pop(key, None)
            pending.done.set()

    def _remember(self, key: EmbeddingKey, features: Features) -> None:
        size = _size(features)
        with self._lock:
            if size > self._memory_bytes or key in self._entries:
                return
            self._entries[key] = features
            self._used += size
            while self._used > self._memory_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._used -= _size(oldest)
                self.stats.evicted += 1


def _size(features: Features) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in features.values())
