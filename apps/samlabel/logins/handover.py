"""Handing a login over to a viewer on another web site: codes of one use, with PKCE (RFC 7636).

A pop-up, where the reader is logged in by cookie, gets a code for one web address and one challenge; the viewer's page
trades it for a token of its own, with the verifier that only it knows.
"""

from __future__ import annotations

import hmac
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from samlabel.errors import RequestError
from samlabel.logins.person import Person
from samlabel.logins.secrets import challenge_of, digest, new_secret

SECONDS = 60.0

# Codes that wait; more at once is no reader's doing.
MOST = 1000

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class _Code:
    person: Person
    challenge: str
    origin: str
    until: float


class Handovers:
    """The codes under way; in memory, as none lives longer than a minute."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._codes: dict[str, _Code] = {}

    def code(self, person: Person, challenge: str, origin: str) -> str:
        """A code for a page of `origin`."""
        if not _CHALLENGE.fullmatch(challenge):
            raise RequestError("challenge must be a SHA-256 in base64url, as PKCE has it", "challenge")
        code, now = new_secret(), self._clock()
        with self._lock:
            waiting = {key: each for key, each in self._codes.items() if each.until > now}
            self._codes = dict(list(waiting.items())[-MOST + 1 :])
            self._codes[digest(code)] = _Code(person, challenge, origin, now + SECONDS)
        return code

    def person_of(self, code: str, verifier: str, origin: str) -> Person | None:
        """Who a code is for; it can be asked once, whatever comes of it."""
        with self._lock:
            found = self._codes.pop(digest(code), None)
        if found is None or found.until <= self._clock() or found.origin != origin:
            return None
        return found.person if hmac.compare_digest(found.challenge, challenge_of(verifier)) else None
