"""Local accounts: names, password hashes and roles in one file of the server's state folder."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_infer.audit.line import ACCOUNT_ADDED, ACCOUNT_CHANGED, Deed
from sam_infer.audit.trail import Trail
from samlabel.errors import ConfigError, NotFoundError
from samlabel.logins.passwords import checked_password, hashed
from samlabel.logins.person import ADMIN, FOR_PEOPLE, Person, checked_role
from samlabel.logins.private_file import PrivateFile

FILE = "accounts.json"

# As readers' names are everywhere else, so that a name is the same in a login, a lease and the audit trail.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


@dataclass(frozen=True)
class Account:
    """One person who may log in here."""

    name: str
    role: str
    password: str  # its hash
    disabled: bool = False
    projects: tuple[str, ...] = ()
    since: float = 0.0  # of the password: sessions that are older have ended

    @property
    def person(self) -> Person:
        """Who logs in with it."""
        return Person(self.name, self.role, "local", self.projects)


class Accounts:
    """The accounts of one server."""

    def __init__(self, folder: Path) -> None:
        self._file = PrivateFile(folder / FILE)
        self._trail = Trail.of(folder.parent)  # of the home that it lies in

    def all(self) -> list[Account]:
        """Every account, disabled ones too, by name."""
        return [_account(name, facts) for name, facts in sorted(self._file.read().items())]

    def find(self, name: str) -> Account | None:
        """The account of a name, disabled or not."""
        facts = self._file.read().get(name)
        return None if facts is None else _account(name, facts)

    def require(self, name: str) -> None:
        """Refuse a name that has no account, before anybody types a password."""
        if self.find(name) is None:
            raise NotFoundError(f"there is no account {name!r}; 'samlabel users list' shows them", "name")

    def require_new(self, name: str, role: str) -> None:
        """Refuse what cannot become an account."""
        if not _NAME.fullmatch(name):
            raise ConfigError("a name has up to 64 letters, digits or ._@+- and starts with a letter or digit", "name")
        checked_role(role)
        if any(known.lower() == name.lower() for known in self._file.read()):
            raise ConfigError(f"there is an account {name!r} already", "name")

    def add(self, name: str, role: str, password: str) -> Account:
        """A new account; refused when there is one."""
        facts = {"role": role, **_secret(name, password)}
        with self._file.changing() as held:
            self.require_new(name, role)
            self._trail.add(Deed(ACCOUNT_ADDED, name, how=f"role {role}"))
            held[name] = facts
        return _account(name, facts)

    def set_password(self, name: str, password: str) -> None:
        """Another password; whoever is logged in with the old one is logged out."""
        self._change(name, "password", **_secret(name, password))

    def renew_hash(self, name: str, password: str) -> None:
        """The same password in a stronger hash."""
        self._change(name, "password hashed anew", password=hashed(password))

    def set_role(self, name: str, role: str) -> None:
        """Another role, from the next request on."""
        self._change(name, f"role {role}", role=checked_role(role))

    def set_disabled(self, name: str, disabled: bool = True) -> None:
        """Shut an account, or open it again; its name stays taken, as labels carry it."""
        self._change(name, "disabled" if disabled else "enabled", disabled=disabled)

    def set_projects(self, name: str, projects: tuple[str, ...]) -> None:
        """Whose cases an annotator sees."""
        self._change(name, f"projects {', '.join(projects)}", projects=list(projects))

    def _change(self, name: str, how: str, **facts: Any) -> None:
        with self._file.changing() as held:
            self.require(name)
            held[name] |= facts
            if not any(
                _account(each, known).role == ADMIN and not known.get("disabled") for each, known in held.items()
            ):
                raise ConfigError("this would leave no administrator: give somebody else that role first", "role")
            self._trail.add(Deed(ACCOUNT_CHANGED, name, how=how))


def _secret(name: str, password: str) -> dict[str, Any]:
    return {"password": hashed(checked_password(password, name)), "since": time.time()}


def _account(name: str, facts: Mapping[str, Any]) -> Account:
    try:
        role, password = str(facts["role"]), str(facts["password"])
        since, projects = float(facts.get("since", 0)), tuple(map(str, facts.get("projects", ())))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ConfigError(f"the account {name!r} in {FILE} is damaged: remove it or restore the file", FILE) from None
    if role not in FOR_PEOPLE:
        raise ConfigError(f"the account {name!r} in {FILE} has the role {role!r}, which there is not", FILE)
    return Account(name, role, password, bool(facts.get("disabled")), projects, since)
