"""The login service: people prove who they are; every way in ends in one session, and is told to who keeps a record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from samlabel.errors import LoginError, WaitError
from samlabel.logins.accounts import Account, Accounts
from samlabel.logins.first import FirstLink
from samlabel.logins.handover import Handovers
from samlabel.logins.passwords import matches, outdated
from samlabel.logins.person import Person
from samlabel.logins.projects import Projects
from samlabel.logins.sessions import BEARER, COOKIE, Limits, Sessions
from samlabel.logins.throttle import Throttle

log = structlog.get_logger(__name__)

# The folder below the server's state that holds accounts, sessions and keys.
FOLDER = "logins"

# One sentence for a wrong name and a wrong password: nobody learns which names there are.
WRONG = "this name and password are not known here"


@dataclass(frozen=True)
class LoginEvent:
    """Something about a login that is worth a line in a record."""

    what: str  # login, login refused, logout
    who: str  # as it was typed, where nobody is known by it
    where: str  # the address
    how: str = ""  # password, first link, viewer, oidc, token
    why: str = ""  # of a refusal


class Tokens(Protocol):
    """Tokens of machines, by whoever keeps them."""

    def person_of(self, secret: str) -> Person | None:
        """The machine that a token stands for."""
        ...

    def serves(self, name: str, since: float) -> bool:
        """Whether a token of this name, made before a moment, still lets its machine in."""
        ...


def to_log(event: LoginEvent) -> None:
    """What is done with an event where no record is kept."""
    log.info(event.what, who=event.who, where=event.where, how=event.how, why=event.why)


class LoginService:
    """Accounts, sessions and tokens of one server."""

    def __init__(self, folder: Path, limits: Limits | None = None, clock: Callable[[], float] = time.time) -> None:
        self.accounts = Accounts(folder)
        self.first = FirstLink(folder, self.accounts, clock)
        self.handovers = Handovers(clock)
        self.projects = Projects(folder)
        self.tell: Callable[[LoginEvent], None] = to_log
        self.tokens: Tokens | None = None
        self.local = True  # whether accounts of this server count, not only those of a login service, and tokens
        self._sessions = Sessions(folder, limits, clock)
        self._throttle = Throttle(clock)

    @property
    def limits(self) -> Limits:
        """When sessions end by themselves."""
        return self._sessions.limits

    def by_password(self, name: str, password: str, where: str) -> Person:
        """Who has this name and password, or a machine whose token is sent as the password; refused otherwise."""
        name = name.strip()
        waits = self._throttle.waits(name, where)
        if waits:
            self.tell(LoginEvent("login refused", name[:64], where, "password", "too many wrong passwords"))
            raise WaitError(f"too many wrong passwords came from there: try again in {waits:.0f} seconds", waits)
        person = self._person(name, password)
        if person is None:
            self.tell(LoginEvent("login refused", name[:64], where, "password", "wrong name or password"))
            raise LoginError(WRONG, "password")
        self._throttle.right(name, where)
        return person

    def _person(self, name: str, password: str) -> Person | None:
        machine = self.tokens.person_of(password) if self.tokens is not None else None
        if machine is not None:
            return machine
        if not self.local:
            return None
        account = self.accounts.find(name)
        if not matches(password, account.password if account is not None else "") or account is None:
            return None
        if account.disabled:
            return None
        if outdated(account.password):
            self.accounts.renew_hash(name, password)
        return account.person

    def open_session(self, person: Person, where: str, how: str = "password", kind: str = COOKIE) -> str:
        """Open a session for this person, however they proved who they are: its secret for a cookie or a header."""
        secret = self._sessions.open(person, kind)
        self.tell(LoginEvent("login", person.name, where, how))
        return secret

    def by_cookie(self, secret: str, active: bool = True) -> Person | None:
        """Who a cookie stands for, with the rights they have at this moment."""
        return self._of_session(secret, COOKIE, active)

    def by_bearer(self, secret: str, active: bool = True) -> Person | None:
        """Who a bearer token stands for: a person's session, or a machine."""
        if secret.startswith(BEARER):
            return self._of_session(secret, BEARER, active)
        return self.tokens.person_of(secret) if self.tokens is not None else None

    def close_session(self, secret: str, where: str) -> None:
        """Log out."""
        kind = BEARER if secret.startswith(BEARER) else COOKIE
        session = self._sessions.find(secret, kind, active=False)
        if session is not None:
            self._sessions.close(secret)
            self.tell(LoginEvent("logout", session.name, where))

    def _of_session(self, secret: str, kind: str, active: bool) -> Person | None:
        session = self._sessions.find(secret, kind, active)
        if session is None:
            return None
        if session.source == "token" and self.tokens is not None:
            return session.person if self.tokens.serves(session.name, session.started) else None
        if session.source != "local":
            return session.person
        account = self.accounts.find(session.name) if self.local else None
        return account.person if account is not None and _still_good(account, session.started) else None


def _still_good(account: Account, started: float) -> bool:
    """Whether a session of an account goes on: not shut since, and no other password was set since."""
    return not account.disabled and account.since <= started
