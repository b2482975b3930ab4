"""One line of an audit trail: what was done, its hash, and the hash of the line before.

A line is a JSON object. `hash` is the SHA-256 of the object without it, written with sorted keys and no spaces;
`before` is the `hash` of the line before, 64 zeros for the first one. So a line cannot change without the next one
saying so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from sam_infer.audit.actor import Actor

NOTHING = "0" * 64  # the hash before the first line

MOST = {"who": 200, "whence": 100, "what": 60, "subject": 200, "content": 64, "how": 2000}  # characters

# What is done. Labels are "label accepted", "label withdrawn" and so on, as the ledger calls its events.
LOGIN, LOGIN_REFUSED, LOGOUT, REFUSED = "login", "login refused", "logout", "refused"
TRAINING_STARTED, TRAINING_ENDED = "training started", "training ended"
PROMOTED, ROLLED_BACK, MODEL_CHOSEN = "adapter promoted", "adapter rolled back", "model chosen"
LEARNER_RESET, LEARNER_SWITCHED = "learner reset", "learner switched"
EXPORTED, SERVER_STARTED = "exported", "server started"
TOKEN_ADDED, TOKEN_REVOKED = "token added", "token revoked"
ACCOUNT_ADDED, ACCOUNT_CHANGED = "account added", "account changed"
PROJECT_CHANGED, PROJECT_REMOVED = "project changed", "project removed"

# What a trail says of itself: a crash was mended, or somebody was at its files.
MENDED, FOUND_CUT, FOUND_CHANGED, HEAD_MISSING = "trail mended", "trail cut", "trail changed", "trail without head"


@dataclass(frozen=True)
class Deed:
    """What is done: never with a patient's name or a person's free text, which may hold one."""

    what: str
    subject: str = ""  # what it is done to: a case's id, an adapter's id, a model, an account
    content: str = ""  # SHA-256 of what it was about: a label, an adapter, settings
    how: str = ""  # more about it, in words of this program


@dataclass(frozen=True)
class Line:
    """A deed with its place in the trail."""

    number: int  # from 1
    when: str  # ISO 8601, UTC
    who: str
    whence: str
    what: str
    subject: str
    content: str
    how: str
    before: str
    hash: str

    @classmethod
    def of(cls, number: int, when: str, actor: Actor, deed: Deed, before: str) -> Line:
        """The line of a deed."""
        said = {**asdict(deed), **asdict(actor)}
        facts: dict[str, Any] = {name: str(value)[: MOST[name]] for name, value in said.items()}
        facts |= {"number": number, "when": when, "before": before}
        return cls(**facts, hash=_hash(facts))

    @classmethod
    def read(cls, raw: bytes) -> Line | None:
        """The line that was written so; None for anything else, or when it does not have its own hash."""
        try:
            facts = json.loads(raw)
            hashed = facts.pop("hash")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
            return None
        if set(facts) != _NAMES or not isinstance(facts["number"], int) or _hash(facts) != hashed:
            return None
        return cls(**facts, hash=hashed)

    def written(self) -> bytes:
        """As it stands in a file."""
        return _json(asdict(self)) + b"\n"


_NAMES = {field.name for field in fields(Line)} - {"hash"}


def _json(facts: object) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


def _hash(facts: object) -> str:
    return hashlib.sha256(_json(facts)).hexdigest()
