"""Features on disk: one file per key, checked when read, the longest unused deleted for room; written behind clicks.

Threading model. Any thread reads; one thread writes, so that nobody who waits for an answer waits for a file. Where it
falls behind, whoever encodes writes. What is waiting when the process ends is written first.
"""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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

# Files that may wait for the thread that writes: of SAM each is some megabytes of memory.
MOST_WAITING = 16


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


class EmbeddingFiles:
    """A folder of features by name, bounded in bytes."""

    def __init__(self, folder: Path, most_bytes: int, stats: CacheStats) -> None:
        self._folder, self._most_bytes, self._stats = folder, most_bytes, stats
        self._lock = threading.Lock()
        self._used: int | None = None  # counted at the first write, kept up to date afterwards
        self._waiting = 0
        self._writer = ThreadPoolExecutor(1, "embeddings")

    def contains(self, name: str) -> bool:
        """Whether there is a file."""
        return self._path(name).exists()

    def read(self, name: str) -> Features | None:
        """What was written; a file that is damaged is deleted."""
        path = self._path(name)
        if not path.exists():
            return None
        try:
            features = read_features(path)
            os.utime(path)
        except (CacheError, SafetensorError, OSError, ValueError) as error:
            log.warning("embedding dropped", file=path.name, reason=str(error))
            path.unlink(missing_ok=True)
            with self._lock:
                self._stats.dropped += 1
            return None
        with self._lock:
            self._stats.disk_hits += 1
        return features

    def write_soon(self, name: str, features: Features) -> None:
        """Write without making the caller wait for it, unless too many wait already."""
        with self._lock:
            behind = self._waiting >= MOST_WAITING
            self._waiting += not behind
        if behind:
            self._write(name, features)
        else:
            self._writer.submit(self._write_waiting, name, features)

    def flush(self) -> None:
        """Come back when all that was to be written is."""
        self._writer.submit(lambda: None).result()

    def _write_waiting(self, name: str, features: Features) -> None:
        try:
            self._write(name, features)
        finally:
            with self._lock:
                self._waiting -= 1

    def _write(self, name: str, features: Features) -> None:
        try:
            path = self._path(name)
            write_features(path, features)
            self._trim(path.stat().st_size)
        except OSError as error:  # a full disk must not cost the reader a click
            log.warning("embedding not stored", reason=str(error))

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / f"{name}.safetensors"

    def _trim(self, added: int) -> None:
        """Delete the files longest unused when the store has outgrown its bound."""
        with self._lock:
            if self._used is not None:
                self._used += added
                if self._used <= self._most_bytes:
                    return
        files = self._stored()
        total = sum(size for _, size, _ in files)
        if total > self._most_bytes:
            for _, size, path in files:
                path.unlink(missing_ok=True)
                self._stats.trimmed += 1
                total -= size
                if total <= self._most_bytes * KEEP_SHARE:
                    break
        with self._lock:
            self._used = total

    def _stored(self) -> list[tuple[float, int, Path]]:
        """Time of last use, bytes and path of every file, longest unused first."""
        found = []
        for path in self._folder.glob("*/*.safetensors"):
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
        state.update(tensors[name].contiguous().view(torch.uint8).numpy().data)
    return state.hexdigest()
