"""The cookie of a session: set by whatever logs somebody in, read by the gate, taken away by a logout."""

from __future__ import annotations

from http.cookies import CookieError
from typing import TYPE_CHECKING

from fastapi import Request
from monailabel.config import settings
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

if TYPE_CHECKING:
    from samlabel.logins.login_service import LoginService
    from samlabel.logins.person import Person


def name() -> str:
    """Cookies are told apart by host and not by port: two servers on one machine need two names."""
    return f"samlabel_session_{settings.MONAI_LABEL_SERVER_PORT}"


def secret_of(headers: Headers) -> str:
    """The session's secret that a request brings, a viewer's in its header, a browser's in its cookie; or empty."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bearer.strip()
    try:
        return str(cookie_parser(headers.get("cookie", "")).get(name(), ""))
    except CookieError:
        return ""


def let_in(response: Response, desk: LoginService, person: Person, request: Request, how: str) -> str:
    """Open a session for this person and put its cookie into the answer: its secret. Every browser's login ends here.

    `Lax`, not `Strict`: a link in a mail or in the hospital's portal leads into the viewer. What changes anything is no
    GET, and the gate asks for its origin besides.
    """
    secret = desk.open_session(person, address_of(request), how)
    response.set_cookie(
        name(),
        secret,
        max_age=int(desk.limits.absolute_s),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
    return secret


def let_out(response: Response) -> None:
    """Take the cookie away."""
    response.delete_cookie(name(), path="/", httponly=True, samesite="lax")


def address_of(request: Request) -> str:
    """Where a request comes from; behind a proxy that the settings name, whom that one speaks for."""
    return request.client.host if request.client is not None else ""
