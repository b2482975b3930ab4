"""Leases (soft locks): who has which case open, so that two readers are not sent to the same one.

A lease is a courtesy, not a lock: nobody is kept from opening or submitting a case. It is renewed while the viewer is
open, ends when its reader submits or leaves, and by itself when nothing was heard for a while. The leases lie in a
file beside the store's record, so a server that is killed comes back knowing who was at work.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock

from sam_infer.files import write_whole
from samlabel.access import identity
from samlabel.errors import RequestError

log = structlog.get_logger(__name__)

NAME = ".samlabel.leases.json"

# A viewer renews once a minute; a reader who opens a case in 3D Slicer, which does not, has this long.
SECONDS = 900.0


@dataclass(frozen=True)
class Lease:
    """One reader at one case, until a time in seconds since 1970."""

    image: str
    reader: str
    until: float


class Leases:
    """The leases of one store; safe to share between threads and processes."""

    def __init__(self, folder: Path, seconds: float = SECONDS, now: Callable[[], float] = time.time) -> None:
        self.seconds = seconds
        self._file = folder / NAME
        self._lock = FileLock(str(folder / f"{NAME}.lock"))
        self._now = now

    def take(self, image: str, who: str) -> Lease:
        """The lease of a case: the asking reader's own, new or renewed, unless somebody else holds it."""
        with self._lock:
            current = self._read()
            held = current.get(image)
            if held is not None and held.reader != who:
                return held
            current[image] = Lease(image, who, self._now() + self.seconds)
            self._write(current)
            return current[image]

    def end(self, image: str, who: str) -> None:
        """Give a case back; somebody else's lease stays."""
        with self._lock:
            current = self._read()
            if image in current and current[image].reader == who:
                del current[image]
                self._write(current)

    def of_others(self, who: str) -> set[str]:
        """Cases that somebody else has open."""
        return {lease.image for lease in self._read().values() if lease.reader != who}

    def _read(self) -> dict[str, Lease]:
        """Leases that still run; a damaged file costs no more than the courtesy."""
        try:
            listed = [Lease(**entry) for entry in json.loads(self._file.read_text())]
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError) as error:
            log.warning("the list of open cases is damaged and begun anew", reason=str(error))
            return {}
        return {lease.image: lease for lease in listed if lease.until > self._now()}

    def _write(self, leases: Mapping[str, Lease]) -> None:
        write_whole(self._file, json.dumps([vars(lease) for lease in leases.values()]))


def holder(request: Mapping[str, Any]) -> str:
    """Who asks: the reader of the request, else what 3D Slicer calls its user, else the person at the machine."""
    named = identity.current_reader()
    if named != identity.LOCAL:
        return named
    try:
        return identity.checked_name(str(request.get("client_id") or ""))
    except RequestError:
        return identity.LOCAL
