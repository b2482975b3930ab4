"""A JSON file that only its owner may read: written whole, locked across processes, read again when it changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from sam_infer.files import write_whole
from samlabel.errors import ConfigError

OWNER_ONLY = 0o600


class PrivateFile:
    """One JSON object on disk. What a command changes a running server sees with its next question."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._seen: tuple[int, int, int] | None = None
        self._kept: dict[str, Any] = {}

    def read(self) -> dict[str, Any]:
        """What it holds now; not to be changed by whoever asks."""
        with self._lock:
            stamp = self._stamp()
            if stamp is None:
                return {}
            if stamp != self._seen:
                self._kept, self._seen = self._parsed(), stamp
            return self._kept

    @contextmanager
    def changing(self, durable: bool = True) -> Iterator[dict[str, Any]]:
        """A copy to change; it is written at the end of the block, unless the block fails.

        `durable` waits for the disk: not worth it for what a power failure may take back.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._lock, FileLock(str(self.path.with_suffix(".lock"))):
            held = json.loads(json.dumps(self.read()))
            yield held
            write_whole(self.path, _writer(held), durable=durable)
            self._kept, self._seen = held, self._stamp()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _parsed(self) -> dict[str, Any]:
        try:
            found = json.loads(self.path.read_text())
        except (ValueError, OSError) as error:
            raise ConfigError(
                f"{self.path.name} cannot be read ({error}): nobody can log in until it is restored"
            ) from None
        if not isinstance(found, dict):
            raise ConfigError(f"{self.path.name} does not hold a JSON object: nobody can log in until it is restored")
        return found


def _writer(held: dict[str, Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.touch(mode=OWNER_ONLY)
        path.chmod(OWNER_ONLY)
        path.write_text(json.dumps(held, indent=1, sort_keys=True))

    return write
