"""Embedding cache: encoded slices in memory (LRU) and on disk, so that a slice is encoded once.

Two bounded stores, one law: same key, same features. The key holds everything that could change them, so a new
encoder or another window is another key and nobody has to remember to invalidate. Threads that want the same new
slice wait for one encode. What is read from disk is checked; what fails the check is deleted and encoded again.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import structlog
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from sam_infer.errors import CacheError
from sam_infer.files import write_whole
from sam_infer.networks.backbone import Features

log = structlog.get_logger(__name__)

# A full disk store is cut down to this share, so that not every new slice pays for a clean-up.
KEEP_SHARE = 0.8


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
class CacheStats:
    """How often each source answered."""

    memory_hits: int = 0
    disk_hits: int = 0
    encodes: int = 0
    encode_seconds: dict[str, float] = field(default_factory=dict)  # of each encoder's last one
    dropped: int = 0  # corrupt files
    evicted: int = 0  # from memory, for room
    trimmed: int = 0  # from disk, for room


@dataclass
class _Pending:
    done: threading.Event = field(default_factory=threading.Event)
    features: Features | None = None
    error: BaseException | None = None


class EmbeddingCache:
    """LRU of features, bounded in bytes; thread-safe. `folder=None` keeps nothing on disk."""

    def __init__(self, memory_bytes: int = 512 << 20, folder: Path | None = None, disk_bytes: int = 4 << 30) -> None:
        self._memory_bytes = memory_bytes
        self._folder = folder
        self._disk_bytes = disk_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[EmbeddingKey, Features] = OrderedDict()
        self._used = 0
        self._disk_used: int | None = None  # counted at the first write, kept up to date afterwards
        self._pending: dict[EmbeddingKey, _Pending] = {}
        self.stats = CacheStats()

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
        return self._folder is not None and self._path(key).exists()

    @property
    def used_bytes(self) -> int:
        """What is in memory now."""
        return self._used

    def clear_memory(self) -> None:
        """Forget what is in memory; the disk keeps it."""
        with self._lock:
            self._entries.clear()
            self._used = 0

    def _lead(self, key: EmbeddingKey, pending: _Pending, encode: Callable[[], Features]) -> Features:
        try:
            features = self._read(key)
            if features is None:
                started = time.perf_counter()
                features = dict(encode())
                with self._lock:
                    self.stats.encodes += 1
                    self.stats.encode_seconds[key.encoder] = time.perf_counter() - started
                self._write(key, features)
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

    def _path(self, key: EmbeddingKey) -> Path:
        if self._folder is None:
            raise CacheError("this cache keeps nothing on disk")
        name = key.digest
        return self._folder / name[:2] / f"{name}.safetensors"

    def _read(self, key: EmbeddingKey) -> Features | None:
        if self._folder is None:
            return None
        path = self._path(key)
        if not path.exists():
            return None
        try:
            features = read_features(path)
            os.utime(path)
        except (CacheError, SafetensorError, OSError, ValueError) as error:
            log.warning("embedding dropped", file=path.name, reason=str(error))
            path.unlink(missing_ok=True)
            with self._lock:
                self.stats.dropped += 1
            return None
        with self._lock:
            self.stats.disk_hits += 1
        return features

    def _write(self, key: EmbeddingKey, features: Features) -> None:
        if self._folder is None:
            return
        try:
            path = self._path(key)
            write_features(path, features)
            self._trim(path.stat().st_size)
        except OSError as error:  # a full disk must not cost the reader a click
            log.warning("embedding not stored", reason=str(error))

    def _trim(self, added: int) -> None:
        """Delete the files longest unused when the store has outgrown its bound."""
        with self._lock:
            if self._disk_used is not None:
                self._disk_used += added
                if self._disk_used <= self._disk_bytes:
                    return
        files = _stored_files(self._folder)
        total = sum(size for _, size, _ in files)
        if total > self._disk_bytes:
            for _, size, path in files:
                path.unlink(missing_ok=True)
                self.stats.trimmed += 1
                total -= size
                if total <= self._disk_bytes * KEEP_SHARE:
                    break
        with self._lock:
            self._disk_used = total


def _stored_files(folder: Path | None) -> list[tuple[float, int, Path]]:
    """Time of last use, bytes and path of every stored embedding, longest unused first."""
    found = []
    for path in folder.glob("*/*.safetensors") if folder is not None else ():
        try:
            stat = path.stat()
        except FileNotFoundError:  # another process trimmed it
            continue
        found.append((stat.st_mtime, stat.st_size, path))
    return sorted(found)


def write_features(path: Path, features: Features) -> None:
    """Store features with a checksum."""
    tensors = {name: tensor.contiguous() for name, tensor in features.items()}
    write_whole(path, lambda part: save_file(tensors, part, metadata={"checksum": _checksum(tensors)}))


def read_features(path: Path) -> Features:
    """Features as written, or CacheError."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        expected = (file.metadata() or {}).get("checksum")
    if expected != _checksum(tensors):
        raise CacheError("checksum does not match")
    return tensors


def _checksum(tensors: Features) -> str:
    state = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        state.update(f"{name}{tuple(tensors[name].shape)}{tensors[name].dtype}".encode())
        state.update(tensors[name].contiguous().view(torch.uint8).numpy().tobytes())
    return state.hexdigest()


def _size(features: Features) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in features.values())
