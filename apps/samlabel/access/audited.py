"""The audit trail's part in every request: who is behind it, from which address, and a line for each refusal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import Any

import structlog
from anyio import to_thread
from monailabel.config import settings
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sam_infer.audit.actor import Actor, at_the_keyboard
from sam_infer.audit.line import LOGIN_REFUSED, REFUSED, SERVER_STARTED, Deed
from sam_infer.audit.trail import Trail
from sam_infer.errors import AuditError
from samlabel.access import roles
from samlabel.access.forwarded import client_of
from samlabel.access.identity import current_person, current_reader
from samlabel.access.login_state import LOGINS
from samlabel.logins.flood import Flood
from samlabel.logins.login_service import LoginEvent

log = structlog.get_logger(__name__)

REFUSALS = (401, 403)

# What an address is called that the table does not have: it may say anything, patients' names too.
NO_ROW = "(an address of no route)"

# Who asks, while logins are on and nobody is logged in.
NOBODY = "nobody"
UNKNOWN = "unknown name"  # with the beginning of its hash, to tell one from another

# Who it was when refusals are counted together.
MANY, FLOOD = "many", Flood()

# Settings whose values are nobody's business.
SECRET = ("secret", "password", "token")

_whence: ContextVar[str | None] = ContextVar("whence", default=None)
_ordered: ContextVar[Actor | None] = ContextVar("ordered", default=None)


def current_actor() -> Actor:
    """Who the code that asks works for: whoever sent a request, who ordered this process, or who is at the keyboard."""
    whence = _whence.get()
    if whence is None:
        return _ordered.get() or at_the_keyboard()
    person = current_person()
    if person is None and LOGINS.on:
        return Actor(NOBODY, whence)  # whatever name the request gives
    return Actor(current_reader() if person is None else person.name, whence)


@contextmanager
def working_for(actor: Actor) -> Iterator[None]:
    """Run for somebody who asked another process."""
    token = _ordered.set(actor)
    try:
        yield
    finally:
        _ordered.reset(token)


class AuditMiddleware:
    """Notes a request's address, and every answer that refuses."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; a refusal is in the trail before the client hears of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in REFUSALS:
                await to_thread.run_sync(note_refusal, scope, message["status"])
            await send(message)

        token = _whence.set(client_of(scope, Headers(scope=scope), LOGINS.proxies).address)
        try:
            await self.app(scope, receive, sent)
        finally:
            _whence.reset(token)


def note_refusal(scope: Scope, status: int) -> None:
    """A line for what was not let through; that the trail cannot be written lets nobody through either."""
    try:
        _refused(Deed(REFUSED, f"{scope['method']} {_place(scope)}", how=f"status {status}"), current_actor())
    except AuditError as error:
        log.error("a refusal is not in the audit trail", reason=str(error))


def _place(scope: Scope) -> str:
    """Which row of the table of routes it was, without what the address and its query say of a case."""
    path = scope["path"].removeprefix(settings.MONAI_LABEL_API_STR)
    row = roles.needed(scope["method"], path)
    return row[0] if row is not None else NO_ROW


def note_login(event: LoginEvent, known: Callable[[str], bool]) -> None:
    """A line for what the desk tells. A name that nobody has may be a password in the wrong place: not in here."""
    if event.what == REFUSED:
        return  # the answer that refuses has its line
    who = event.who or NOBODY
    if event.what == LOGIN_REFUSED and event.who and not known(event.who):
        who = f"{UNKNOWN} {sha256(event.who.encode(errors='replace')).hexdigest()[:8]}"
    how = f"{event.how}: {event.why}" if event.why else event.how
    deed, actor = Deed(event.what, who, how=how), Actor(who, event.where)
    if event.what == LOGIN_REFUSED:
        _refused(deed, actor)
    else:
        Trail.of().add(deed, actor)


def _refused(deed: Deed, actor: Actor) -> None:
    """A line for a refusal; from some number a minute on, one for all of an address."""
    alone, over = FLOOD.look(actor.whence)
    for whence, count in over:
        Trail.of().add(Deed(deed.what, how=f"{count} more refusals within a minute"), Actor(MANY, whence))
    if alone:
        Trail.of().add(deed, actor)


def note_start(conf: Mapping[str, Any]) -> None:
    """A line with the settings that a server starts with."""
    told = {name: str(value) for name, value in sorted(conf.items()) if not any(word in name for word in SECRET)}
    digest = sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    Trail.of().add(Deed(SERVER_STARTED, content=digest, how=" ".join(f"{name}={told[name]}" for name in told)))
