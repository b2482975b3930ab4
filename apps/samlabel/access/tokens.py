"""Machine tokens: what programs log in with, kept as hashes only.

    HOME/access/tokens.json   name, role, SHA-256 of the token, from when until when

A token is 256 random bits, so its plain SHA-256 tells nobody what it is. It is shown once, when it is made.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock

from sam_infer.audit.line import TOKEN_ADDED, TOKEN_REVOKED, Deed
from sam_infer.audit.trail import Trail
from sam_infer.files import write_whole
from sam_infer.home import default_home
from samlabel.errors import ConfigError

# How every token begins, so that scanners of repositories and logs know one when they see it.
BEGINNING = "slt_"

SECRET_BYTES = 32

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class MachineToken:
    """One program's token, without the token itself."""

    name: str
    role: str
    sha256: str
    made: str  # ISO 8601, UTC
    ends: str | None = None
    revoked: str | None = None

    def serves(self, now: datetime) -> bool:
        """Whether it lets anybody in at a moment."""
        return self.revoked is None and (self.ends is None or now < datetime.fromisoformat(self.ends))

    def state(self, now: datetime) -> str:
        """In a word."""
        return "revoked" if self.revoked else "valid" if self.serves(now) else "expired"


class TokenStore:
    """The tokens of one home; any number of processes may use it."""

    def __init__(self, home: Path | None = None) -> None:
        self._path = (home or default_home()) / "access" / "tokens.json"
        self._trail = Trail.of(home)
        self._read: tuple[tuple[int, int], tuple[MachineToken, ...]] | None = None

    def tokens(self) -> tuple[MachineToken, ...]:
        """Every token, the oldest first; read again when the file has changed."""
        try:
            stat = self._path.stat()
        except FileNotFoundError:
            return ()
        stamp = stat.st_mtime_ns, stat.st_ino
        if self._read is None or self._read[0] != stamp:
            try:
                found = tuple(MachineToken(**facts) for facts in json.loads(self._path.read_text())["tokens"])
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"{self._path} is damaged: restore it, or delete it and make new tokens") from error
            self._read = stamp, found
        return self._read[1]

    def add(self, name: str, role: str, days: int | None = None) -> str:
        """Make a token and return it: it is nowhere else from now on."""
        if not _NAME.fullmatch(name):
            raise ConfigError("a token's name is up to 64 letters, digits or ._- and starts with a letter", "name")
        secret, now = BEGINNING + secrets.token_urlsafe(SECRET_BYTES), datetime.now(UTC)
        ends = _told(now + timedelta(days=days)) if days is not None else None
        with self._alone():
            if any(token.name == name and token.serves(now) for token in self.tokens()):
                raise ConfigError(f"there is a token {name!r}: revoke it first, or choose another name", "name")
            self._trail.add(Deed(TOKEN_ADDED, name, how=f"role {role}, until {ends or 'it is revoked'}"))
            self._write((*self.tokens(), MachineToken(name, role, _hash(secret), _told(now), ends)))
        return secret

    def revoke(self, name: str) -> None:
        """Let a token in no more; every request is checked against the file, so from the next one on."""
        now = datetime.now(UTC)
        with self._alone():
            if not any(token.name == name and token.serves(now) for token in self.tokens()):
                raise ConfigError(f"there is no valid token {name!r}; `samlabel tokens list` shows them", "name")
            self._trail.add(Deed(TOKEN_REVOKED, name))
            hit = [replace(t, revoked=_told(now)) if t.name == name and t.serves(now) else t for t in self.tokens()]
            self._write(tuple(hit))

    def owner(self, secret: str) -> MachineToken | None:
        """The token that somebody shows, where it lets anybody in."""
        if not secret.startswith(BEGINNING):
            return None
        shown, now = _hash(secret), datetime.now(UTC)
        return next((token for token in self.tokens() if token.sha256 == shown and token.serves(now)), None)

    def _write(self, tokens: tuple[MachineToken, ...]) -> None:
        def write(part: Path) -> None:
            part.touch(mode=0o600)
            part.write_text(json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=1) + "\n")

        write_whole(self._path, write, durable=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with FileLock(f"{self._path}.lock"):
            yield


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
