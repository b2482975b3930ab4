"""People who log in: a desk with one account per role, quick hashes and a clock that tests turn."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from samlabel.logins import passwords
from samlabel.logins.login_service import LoginEvent, LoginService
from samlabel.logins.person import FOR_PEOPLE, Person
from samlabel.logins.sessions import BEARER, COOKIE

PASSWORD = "correct horse 7"


@dataclass
class Clock:
    """A time that stands still until a test turns it."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class People:
    """A desk, and what it told."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    told: list[LoginEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.desk = self.restarted()

    def restarted(self) -> LoginService:
        """The desk of a server that starts on the same folder."""
        self.desk = LoginService(self.folder, clock=self.clock)
        self.desk.tell = self.told.append
        return self.desk

    def add_everybody(self) -> None:
        """An account for each role, called by it."""
        for role in FOR_PEOPLE:
            self.desk.accounts.add(role, role, PASSWORD)
        self.clock.now = max(self.clock.now, max(account.since for account in self.desk.accounts.all()))

    def bearer(self, role: str) -> dict[str, str]:
        """The header of somebody with a role: an account's, or that of a program."""
        source = "local" if role in FOR_PEOPLE else "token"
        return {"authorization": f"Bearer {self.desk.open_session(Person(role, role, source), '', kind=BEARER)}"}

    def cookie(self, role: str) -> str:
        """The secret of a session in a browser."""
        return self.desk.open_session(Person(role, role), "", kind=COOKIE)


def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost nothing; only tests may have them."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    passwords._nobody_s.cache_clear()
