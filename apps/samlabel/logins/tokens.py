"""Machine tokens: what programs log in with, shown once and kept as hashes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sam_infer.audit.line import TOKEN_ADDED, TOKEN_REVOKED, Deed
from sam_infer.audit.trail import Trail
from samlabel.errors import ConfigError
from samlabel.logins.person import ROLES, Person, checked_role
from samlabel.logins.private_file import PrivateFile
from samlabel.logins.secrets import digest, new_secret

FILE = "tokens.json"

# How every token begins, so that scanners of repositories and logs know one when they see it.
BEGINNING = "slt_"

# Who vouches for a machine.
SOURCE = "token"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class MachineToken:
    """One program's token, without the token itself."""

    name: str
    role: str
    made: str  # ISO 8601, UTC
    ends: str | None = None
    revoked: str | None = None
    projects: tuple[str, ...] = ()

    def serves(self, now: datetime) -> bool:
        """Whether it lets anybody in at a moment."""
        return self.revoked is None and (self.ends is None or now < datetime.fromisoformat(self.ends))

    def state(self, now: datetime) -> str:
        """In a word."""
        return "revoked" if self.revoked else "valid" if self.serves(now) else "expired"


class TokenStore:
    """The tokens of one server; what a command changes holds from the next request on."""

    def __init__(self, folder: Path, trail: Trail) -> None:
        self._file = PrivateFile(folder / FILE)
        self._trail = trail

    def all(self) -> list[MachineToken]:
        """Every token that was ever made, the oldest first."""
        return sorted((_token(facts) for facts in self._file.read().values()), key=lambda token: token.made)

    def add(self, name: str, role: str, days: int | None = None, projects: Sequence[str] = ()) -> str:
        """Make a token and return it: it is nowhere else from now on."""
        checked_role(role, ROLES)
        if not _NAME.fullmatch(name):
            raise ConfigError(
                "a token's name must be up to 64 letters, digits or ._- and start with a letter or digit", "name"
            )
        now = datetime.now(UTC)
        ends = _told(now + timedelta(days=days)) if days is not None else None
        with self._file.changing() as held:
            if any(_serves(facts, name, now) for facts in held.values()):
                raise ConfigError(f"there is a token {name!r}: revoke it first, or choose another name", "name")
            within = f", projects {', '.join(projects)}" if projects else ""
            self._trail.add(Deed(TOKEN_ADDED, name, how=f"role {role}, until {ends or 'it is revoked'}{within}"))
            secret = new_secret(BEGINNING)
            held[digest(secret)] = asdict(MachineToken(name, role, _told(now), ends, projects=tuple(projects)))
        return secret

    def revoke(self, name: str) -> None:
        """Let nobody in with it any more."""
        now = datetime.now(UTC)
        with self._file.changing() as held:
            valid = [facts for facts in held.values() if _serves(facts, name, now)]
            if not valid:
                raise ConfigError(f"there is no valid token {name!r}; 'samlabel tokens list' shows them", "name")
            self._trail.add(Deed(TOKEN_REVOKED, name))
            for facts in valid:
                facts["revoked"] = _told(now)

    def serves(self, name: str, since: float) -> bool:
        """Whether a token of this name, made before a moment, still lets its machine in."""
        now, then = datetime.now(UTC), datetime.fromtimestamp(since, UTC)
        return any(
            _serves(facts, name, now) and datetime.fromisoformat(facts["made"]) <= then
            for facts in self._file.read().values()
        )

    def person_of(self, secret: str) -> Person | None:
        """The machine that a token stands for."""
        if not secret.startswith(BEGINNING):
            return None
        facts = self._file.read().get(digest(secret))
        found = None if facts is None else _token(facts)
        if found is None or not found.serves(datetime.now(UTC)):
            return None
        return Person(found.name, found.role, SOURCE, found.projects)


def _token(facts: Mapping[str, Any]) -> MachineToken:
    return MachineToken(**{**facts, "projects": tuple(facts.get("projects", ()))})


def _serves(facts: Mapping[str, Any], name: str, now: datetime) -> bool:
    return facts["name"] == name and _token(facts).serves(now)


def _told(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
