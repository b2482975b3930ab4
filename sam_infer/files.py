"""Atomic writes: files whole or not at all, and append-only JSON lines (JSONL) that survive a crash."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

Content = str | bytes | Callable[[Path], object]


def write_whole(path: Path, content: Content, durable: bool = False) -> None:
    """Replace `path` in one move: a reader sees the old file or the new one, and a failure leaves nothing behind.

    `content` is text, bytes, or a function that writes to the path that it is given, which keeps the suffix of `path`.
    `durable` waits until the bytes are on the disk: what is acknowledged survives a power failure.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{os.getpid()}.{threading.get_ident()}.{path.name}")
    try:
        if isinstance(content, str):
            part.write_text(content)
        elif isinstance(content, bytes):
            part.write_bytes(content)
        else:
            content(part)
        if durable:
            with part.open("rb") as file:
                os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def append_line(path: Path, facts: Mapping[str, Any]) -> None:
    """Add one JSON line and wait until it is on the disk; the caller holds the file's lock.

    A line that a crash cut short is closed first, so that it cannot swallow the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.exists() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
    with path.open("ab") as file:
        file.write(b"\n" * torn + json.dumps(dict(facts)).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a file, one per line; what a crash cut short is skipped."""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            facts = json.loads(line)
        except ValueError:
            continue
        if isinstance(facts, dict):
            yield facts


def file_sha256(path: Path) -> str:
    """SHA-256 of a file (hex)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
