"""The gate: middleware that finds out who asks, and lets through whom the table of roles lets do that.

One place for every route, the host's and the mounted ones too: what the table does not name is refused, so a route that
somebody adds is closed until it has a row. While logins are off the gate stands open.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from anyio import to_thread
from fastapi.exceptions import HTTPException
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from monailabel.config import settings
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from samlabel.access import case_limits, roles, session_cookie
from samlabel.access.error_replies import NO_LOGIN, body_of
from samlabel.access.forwarded import client_of
from samlabel.access.html_page import html_page
from samlabel.access.identity import logged_in_as
from samlabel.access.login_state import LOGINS, LoginState
from samlabel.logins.login_service import LoginEvent
from samlabel.logins.person import MACHINE, REVIEWER, Person

READS = {"GET", "HEAD", "OPTIONS"}

NOBODY = "log in first: this server does not know who asks"
NOT_OURS = "this address is none of the server's"


@dataclass(frozen=True)
class Asked:
    """A request, as far as the gate looks at it."""

    method: str
    path: str
    query: str
    headers: Headers
    address: str
    local: bool  # from this machine itself

    @property
    def browser(self) -> bool:
        """Whether a person opens a page or sends a form: programs and viewers' own requests ask for other things."""
        return "text/html" in self.headers.get("accept", "")

    @property
    def from_own_page(self) -> bool:
        """Whether a page of this server sent it; browsers say so with whatever changes anything."""
        origin = self.headers.get("origin")
        if origin is None:
            return self.headers.get("sec-fetch-site") == "same-origin"
        return urlsplit(origin).netloc == self.headers.get("host")


class Gate:
    """Middleware, inside of the request guard."""

    def __init__(self, app: ASGIApp, state: LoginState = LOGINS) -> None:
        self.app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find out who asks, then pass on or refuse."""
        if scope["type"] != "http" or not self._state.on:
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        client = client_of(scope, headers, self._state.proxies)
        path = scope["path"].removeprefix(settings.MONAI_LABEL_API_STR)
        query = scope.get("query_string", b"").decode(errors="replace")
        asked = Asked(scope["method"], path, query, headers, client.address, client.local)
        inner = {**scope, "scheme": client.scheme, "client": (client.address, 0)}
        row = roles.needed(asked.method, asked.path)
        try:
            person, by_cookie = await self._person(asked, active=(asked.method, row and row[0]) not in roles.BY_ITSELF)
        except HTTPException as error:  # the realm is away
            await JSONResponse(body_of(str(error.detail)), error.status_code)(inner, receive, send)
            return
        refusal = self._refusal(asked, row, person, by_cookie) or await self._unseen(asked, row, person)
        if refusal is not None:
            with logged_in_as(person):  # whom the audit trail names
                await refusal(inner, receive, send)
            return
        with logged_in_as(person):
            await self.app(inner, receive, send)

    async def _person(self, asked: Asked, active: bool) -> tuple[Person | None, bool]:
        """Who asks, and whether a cookie says so. A header counts before a cookie: it was put there on purpose."""
        scheme, _, secret = asked.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and secret:
            return await self._state.by_bearer(secret.strip(), active), False
        cookie = session_cookie.secret_of(asked.headers)
        if not cookie or self._state.desk is None:
            return None, False
        return self._state.desk.by_cookie(cookie, active), True

    def _refusal(
        self, asked: Asked, row: tuple[str, str] | None, person: Person | None, by_cookie: bool
    ) -> Response | None:
        """Why not; None where the request may go on."""
        role = row[1] if row is not None else None
        if role == roles.ANYBODY or (asked.method in READS and asked.path in self._state.open_paths):
            return None
        if role == MACHINE and asked.local:
            return None
        if person is None:
            return self._who(asked)
        if by_cookie and asked.method not in READS and not asked.from_own_page:
            return JSONResponse(body_of("a login by cookie counts for this server's own pages only", "origin"), 403)
        if row is None or role is None:
            known = roles.has_address(asked.path)
            return None if known else JSONResponse(body_of(NOT_OURS, "path"), 404)
        role = roles.for_drafts(asked.method, row[0], role, asked.query, person)
        return None if person.may(role) else self._not_allowed(asked, row[0], role, person)

    async def _unseen(self, asked: Asked, row: tuple[str, str] | None, person: Person | None) -> Response | None:
        """Why not, where the case is none of this person's; most people see every case, and nothing is looked up."""
        desk = self._state.desk
        if desk is None or row is None or person is None or person.may(REVIEWER) or not desk.projects.all():
            return None
        seen = await to_thread.run_sync(self._state.seen, person)
        why = case_limits.refused(asked.method, row[0], asked.path, asked.query, seen) if seen is not None else ""
        if not why:
            return None
        self._state.tell(LoginEvent("refused", person.name, asked.address, person.source, f"{row[0]}: another project"))
        return JSONResponse(body_of(why, "image"), 404)

    def _who(self, asked: Asked) -> Response:
        """Nobody is logged in: a person is shown where to, a program is told."""
        if asked.browser and self._state.desk is not None:
            whole = asked.path + (f"?{asked.query}" if asked.query else "") if asked.method == "GET" else "/"
            return RedirectResponse(f"/login?next={quote(whole, safe='')}", 303)
        headers = {"www-authenticate": "Bearer"}
        if asked.browser:
            return HTMLResponse(html_page("Log in first", NO_LOGIN), 401, headers=headers)
        return JSONResponse(body_of(NOBODY), 401, headers=headers)

    def _not_allowed(self, asked: Asked, row: str, role: str, person: Person) -> Response:
        told = f"{asked.method} {row} needs the role {role}; {person.name} has {person.role or 'none'}"
        self._state.tell(LoginEvent("refused", person.name, asked.address, person.source, told))
        return JSONResponse(body_of(told, "role"), 403)
