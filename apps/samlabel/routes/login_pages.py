"""`/login`, `/logout`, `/login/first`, `/login/viewer`: pages to log in and out; plain forms, no script needed.

Nobody can be made to send one of these forms from elsewhere: browsers name the page that a form comes from, and the
request guard refuses every page that is none of ours. No page may be shown in a frame.
"""

from __future__ import annotations

import html
import json
import secrets
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from samlabel.access import session_cookie
from samlabel.access.html_page import html_page
from samlabel.access.identity import current_person
from samlabel.access.login_state import LOGINS
from samlabel.access.session_cookie import address_of
from samlabel.errors import ConfigError, LoginError, NotFoundError, RefusedError, WaitError
from samlabel.logins.first import PATH as FIRST
from samlabel.logins.login_service import LoginService
from samlabel.logins.passwords import SHORTEST
from samlabel.routes.oidc import SOURCE, after_logout, to_provider

router = APIRouter(include_in_schema=False)

DONE = "/login/done"

_NOT_FRAMED = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; form-action 'self'; frame-ancestors 'none'"
)

# What a window that was opened to log in tells the one that opened it.
_TELL = "if (window.opener) { window.opener.postMessage(%s, %s); window.close(); }"


@router.get("/login")
def ask(request: Request, next: str = "/", by: str = "") -> Response:
    """The form; or the way to the hospital's login service, where somebody wants that or there is nothing else."""
    local = _desk().local
    if LOGINS.oidc is not None and (by == SOURCE or not local):
        return to_provider(request, _inside(next))
    return _form(next)


@router.post("/login")
async def log_in(
    request: Request,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Let somebody in, or say why not, with the form again."""
    desk = _desk()
    try:
        person = await LOGINS.by_password(desk, username, password, address_of(request))
    except LoginError as error:
        return _form(next, username, f"{error}.", 401)
    except WaitError as error:
        return _form(next, username, f"{error}.", 429)
    answer = RedirectResponse(_inside(next), 303)
    session_cookie.let_in(answer, desk, person, request, "password")
    return answer


@router.post("/logout")
def log_out(request: Request) -> Response:
    """End this browser's session."""
    secret = session_cookie.secret_of(request.headers)
    _desk().close_session(secret, address_of(request))
    answer = after_logout(secret)
    session_cookie.let_out(answer)
    return answer


@router.get(FIRST)
def first(key: str = "") -> Response:
    """The form for the first account, of an administrator."""
    _desk().first.check(key)
    return _first_form(key)


@router.post(FIRST)
def make_first(
    request: Request,
    key: Annotated[str, Form()] = "",
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Make that account and let its owner in."""
    desk = _desk()
    try:
        if password != again:
            raise ConfigError("the two passwords differ", "again")
        account = desk.first.use(key, username.strip(), password)
    except ConfigError as error:
        return _first_form(key, username, f"{error}.", 422)
    answer = RedirectResponse("/", 303)
    session_cookie.let_in(answer, desk, account.person, request, "first link")
    return answer


@router.get(DONE)
def done() -> Response:
    """Where a window ends that a viewer of this server opened: it says so and closes."""
    return _closing("'samlabel-login'", "window.location.origin")


@router.get("/login/viewer")
def hand_over(challenge: str, origin: str) -> Response:
    """A code for the viewer of another web site that opened this window; only for sites that the settings name."""
    person = current_person()
    if origin.rstrip("/") not in LOGINS.origins or person is None:
        raise RefusedError(f"{origin} is no web site of the setting viewer_origins", "origin")
    code = _desk().handovers.code(person, challenge, origin.rstrip("/"))
    return _closing(_script({"samlabel": "code", "code": code}), _script(origin.rstrip("/")))


def _desk() -> LoginService:
    if LOGINS.desk is None:
        raise NotFoundError("this server has no logins of its own; 'samlabel serve --set logins=true' has")
    return LOGINS.desk


def _inside(address: str) -> str:
    """Where to go after a login: an address of this server, whatever a link says."""
    plain = address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if plain and address.isprintable() and "\\" not in address else "/"


def _form(next: str, username: str = "", told: str = "", status: int = 200) -> Response:
    fields = (
        f'<input type="hidden" name="next" value="{html.escape(_inside(next))}">'
        f"{_field('username', 'Name', 'username', username)}{_field('password', 'Password', 'current-password')}"
    )
    return _page("Log in", "/login", fields, told, status, _service(next))


def _first_form(key: str, username: str = "", told: str = "", status: int = 200) -> Response:
    fields = (
        f"<p>The first account of this server: an administrator. A password has {SHORTEST} characters or more.</p>"
        f'<input type="hidden" name="key" value="{html.escape(key)}">'
        f"{_field('username', 'Name', 'username', username)}{_field('password', 'Password', 'new-password')}"
        f"{_field('again', 'Password again', 'new-password')}"
    )
    return _page("First administrator", FIRST, fields, told, status)


def _field(name: str, label: str, kind: str, value: str = "") -> str:
    shown = "text" if name == "username" else "password"
    return (
        f'<p><label>{label}<br><input name="{name}" type="{shown}" autocomplete="{kind}" required '
        f'value="{html.escape(value)}"></label></p>'
    )


def _service(next: str) -> str:
    """A link to the hospital's login service, where there is one."""
    if LOGINS.oidc is None:
        return ""
    address = html.escape(f"{login_address(_inside(next))}&by={SOURCE}")
    return f'<p><a href="{address}">Log in with the hospital\'s login service</a></p>'


def _page(title: str, action: str, fields: str, told: str, status: int, below: str = "") -> Response:
    why = f'<p role="alert"><b>{html.escape(told)}</b></p>' if told else ""
    send = f'<p><button class="first">{title}</button></p>'
    body = f'{why}<form method="post" action="{action}">{fields}{send}</form>{below}'
    return HTMLResponse(html_page(title, body), status, headers=_headers(_NOT_FRAMED))


def _closing(message: str, target: str) -> Response:
    nonce = secrets.token_urlsafe(16)
    script = f'<script nonce="{nonce}">{_TELL % (message, target)}</script>'
    body = f"<p>You are logged in. This window can be closed.</p>{script}"
    return HTMLResponse(html_page("Logged in", body), headers=_headers(f"{_NOT_FRAMED}; script-src 'nonce-{nonce}'"))


def _script(value: object) -> str:
    """A value as a script may hold it."""
    return json.dumps(value).replace("<", "\\u003c")


def _headers(policy: str) -> dict[str, str]:
    return {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }


def login_address(then: str) -> str:
    """The address of the form that leads back to a page."""
    return f"/login?next={quote(then, safe='')}"
