"""Logins under way: a state is good once, for ten minutes, and for the browser that began."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field

from samlabel.errors import LoginError

GOOD_FOR_S = 600.0

# Anybody may begin to log in; the oldest beginnings are forgotten first.
MOST = 2000

SHORTEST = 32  # what a browser brings may be anything


def _drawn() -> str:
    return secrets.token_urlsafe(32)


@dataclass(frozen=True)
class Attempt:
    """What this server must remember between sending a browser away and its return."""

    back_to: str  # a path of this server
    state: str = field(default_factory=_drawn)
    nonce: str = field(default_factory=_drawn)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    browser: str = field(default_factory=_drawn)  # in a cookie: nobody else's browser can end this login
    began: float = field(default_factory=time.monotonic)


class Attempts:
    """Every login under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: dict[str, Attempt] = {}

    def begin(self, back_to: str, browser: str = "") -> Attempt:
        """One more; a browser that has another under way is known by the same secret."""
        attempt = Attempt(back_to, browser=browser) if len(browser) >= SHORTEST else Attempt(back_to)
        with self._lock:
            while len(self._pending) >= MOST:
                del self._pending[next(iter(self._pending))]
            self._pending[attempt.state] = attempt
        return attempt

    def end(self, state: str, browser: str) -> Attempt:
        """The login that a browser returns from; asked for a second time there is none."""
        with self._lock:
            attempt = self._pending.pop(state, None)
        if attempt is None:
            raise LoginError("this login is over or was never begun here: log in again", "state")
        if time.monotonic() - attempt.began > GOOD_FOR_S:
            raise LoginError("this login took longer than ten minutes: log in again", "state")
        if not hmac.compare_digest(attempt.browser, browser):
            raise LoginError("this login was begun in another browser: log in again", "state")
        return attempt
