"""Sessions of people who are logged in: opened, found, ended by time or on request; a restart keeps them.

A session is known by a random secret, in a cookie or as a bearer token, of which the server keeps the hash.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from samlabel.errors import ConfigError
from samlabel.logins.person import Person
from samlabel.logins.private_file import PrivateFile
from samlabel.logins.secrets import digest, new_secret

log = structlog.get_logger(__name__)

FILE = "sessions.json"

# What the two kinds begin with; neither is taken for the other, so that a page cannot make a token of a cookie.
COOKIE, BEARER = "slc_", "slb_"

# How late a session's last use may be on the disk: a restart forgets less than this.
WRITTEN_AFTER_S = 60.0

# Of one person; the oldest goes first. Nobody works at more places, and a script that logs in each minute ends itself.
MOST_EACH = 50


@dataclass(frozen=True)
class Limits:
    """When a session ends by itself."""

    idle_s: float = 3600.0
    absolute_s: float = 12 * 3600.0


@dataclass(frozen=True)
class Session:
    """One login that goes on."""

    name: str
    role: str
    source: str
    projects: tuple[str, ...]
    started: float
    seen: float

    @property
    def person(self) -> Person:
        """Who logged in, as they were at that moment."""
        return Person(self.name, self.role, self.source, self.projects)


class Sessions:
    """The sessions of one server."""

    def __init__(self, folder: Path, limits: Limits | None = None, clock: Callable[[], float] = time.time) -> None:
        self._file = PrivateFile(folder / FILE)
        self._limits, self._clock = limits or Limits(), clock
        self._lock = threading.Lock()
        self._open = self._kept()
        self._written = self._clock()

    @property
    def limits(self) -> Limits:
        """When they end by themselves."""
        return self._limits

    def open(self, person: Person, kind: str = COOKIE) -> str:
        """Open a session for this person: the secret, which is not kept."""
        secret, now = new_secret(kind), self._clock()
        with self._lock:
            self._forget_old(now)
            own = [key for key, session in self._open.items() if session.name == person.name]
            for key in own[: max(0, len(own) - MOST_EACH + 1)]:
                del self._open[key]
            self._open[digest(secret)] = Session(**asdict(person), started=now, seen=now)
            self._write(now)
        return secret

    def find(self, secret: str, kind: str = COOKIE, active: bool = True) -> Session | None:
        """The session of a secret; `active` says that somebody is at work, which puts off its end."""
        if not secret.startswith(kind):
            return None
        key, now = digest(secret), self._clock()
        with self._lock:
            session = self._open.get(key)
            if session is None or self._over(session, now):
                return None
            if active:
                self._open[key] = session = replace(session, seen=now)
                if now - self._written > WRITTEN_AFTER_S:
                    self._forget_old(now)
                    self._write(now, durable=False)  # somebody waits for a click
            return session

    def close(self, secret: str) -> None:
        """End a session."""
        with self._lock:
            if self._open.pop(digest(secret), None) is not None:
                self._write(self._clock())

    def close_all(self, name: str) -> None:
        """End every session of a person."""
        with self._lock:
            self._open = {key: session for key, session in self._open.items() if session.name != name}
            self._write(self._clock())

    def _over(self, session: Session, now: float) -> bool:
        return now - session.seen > self._limits.idle_s or now - session.started > self._limits.absolute_s

    def _forget_old(self, now: float) -> None:
        self._open = {key: session for key, session in self._open.items() if not self._over(session, now)}

    def _kept(self) -> dict[str, Session]:
        """Those of before a restart; a damaged file costs everybody a login, and no start."""
        try:
            return {key: _session(facts) for key, facts in self._file.read().items()}
        except (ConfigError, KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("sessions could not be read, everybody logs in again", reason=repr(error))
            self._file.path.unlink(missing_ok=True)
            return {}

    def _write(self, now: float, durable: bool = True) -> None:
        with self._file.changing(durable) as held:
            held.clear()
            held.update({key: asdict(session) for key, session in self._open.items()})
        self._written = now


def _session(facts: dict[str, Any]) -> Session:
    projects = tuple(map(str, facts.get("projects", ())))
    return Session(
        str(facts["name"]), str(facts["role"]), str(facts["source"]), projects, float(facts["started"]), facts["seen"]
    )
