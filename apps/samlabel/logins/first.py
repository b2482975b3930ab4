"""The first administrator: a link of one use, printed at a start without accounts."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from pathlib import Path

from samlabel.errors import RefusedError
from samlabel.logins.accounts import Account, Accounts
from samlabel.logins.person import ADMIN
from samlabel.logins.private_file import PrivateFile
from samlabel.logins.secrets import digest, new_secret

FILE = "first.json"
PATH = "/login/first"

# Whoever reads it in an old log a day later finds it worth nothing.
SECONDS = 24 * 3600.0


class FirstLink:
    """A key that makes one account, while there is none."""

    def __init__(self, folder: Path, accounts: Accounts, clock: Callable[[], float] = time.time) -> None:
        self._file = PrivateFile(folder / FILE)
        self._accounts, self._clock = accounts, clock

    def new(self) -> str | None:
        """A link's path and key, which takes the place of an earlier one; None where there are accounts already."""
        if self._accounts.all():
            return None
        key = new_secret()
        with self._file.changing() as held:
            held.update(key=digest(key), until=self._clock() + SECONDS)
        return f"{PATH}?key={key}"

    def check(self, key: str) -> None:
        """Refuse a key that is none, is too old, or was used."""
        held = self._file.read()
        good = hmac.compare_digest(str(held.get("key", "")), digest(key)) and self._clock() < held.get("until", 0)
        if not good or self._accounts.all():
            raise RefusedError(
                "this link was used, or is older than a day: restart the server for another one, or run "
                "'samlabel users add NAME --role admin' on its machine",
                "key",
            )

    def use(self, key: str, name: str, password: str) -> Account:
        """The first account, of an administrator; the key is worth nothing afterwards."""
        self.check(key)
        account = self._accounts.add(name, ADMIN, password)
        with self._file.changing() as held:
            held.clear()
        return account
