"""`/auth/oidc/callback`: a browser comes back from the login service, and whoever it is gets a session as usual."""

from __future__ import annotations

import html

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from monailabel.config import settings

from samlabel.access import session_cookie
from samlabel.access.html_page import html_page
from samlabel.access.login_state import LOGINS
from samlabel.access.session_cookie import address_of
from samlabel.errors import LoginAwayError, LoginError, NotFoundError
from samlabel.logins.login_service import LoginEvent, LoginService
from samlabel.logins.person import Person
from samlabel.oidc.attempts import GOOD_FOR_S
from samlabel.oidc.login import OidcLogin
from samlabel.oidc.settings import CALLBACK

router = APIRouter(include_in_schema=False)

# Who vouches for people who come this way.
SOURCE = "oidc"

# Codes stand in addresses on the way: they are kept by nobody and told to nobody.
_PRIVATE = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


@router.get(CALLBACK)
def callback(request: Request) -> Response:
    """Let somebody in, or say why not."""
    login, desk = _oidc()
    try:
        found, attempt = login.finish(dict(request.query_params), request.cookies.get(_cookie(), ""))
        if desk.local and desk.accounts.find(found.name) is not None:
            raise LoginError(f"there is an account {found.name} on this server: two people cannot have one name")
    except (LoginError, LoginAwayError) as error:
        desk.tell(LoginEvent("login refused", "", address_of(request), SOURCE, str(error)))
        return _refused(str(error), 401 if isinstance(error, LoginError) else 503)
    answer = RedirectResponse(attempt.back_to, 303, headers=_PRIVATE)
    person = Person(found.name, found.role, SOURCE, found.projects)
    secret = session_cookie.let_in(answer, desk, person, request, SOURCE)
    login.remember(secret, found.id_token)
    return answer


def to_provider(request: Request, back_to: str) -> Response:
    """Send a browser to the login service; it comes back to a page of this server."""
    login, desk = _oidc()
    try:
        address, attempt = login.begin(back_to, request.cookies.get(_cookie(), ""))
    except LoginAwayError as error:
        desk.tell(LoginEvent("login refused", "", address_of(request), SOURCE, str(error)))
        return _refused(str(error), 503)
    answer = RedirectResponse(address, 303, headers=_PRIVATE)
    answer.set_cookie(
        _cookie(),
        attempt.browser,
        max_age=int(GOOD_FOR_S),
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",  # the way back begins at another site
    )
    return answer


def after_logout(secret: str) -> Response:
    """Where a browser goes whose session has ended: to the login service if it came from there, else to the form."""
    login = LOGINS.oidc
    address = login.logout_address(secret) if login is not None else None
    if address is not None:
        return RedirectResponse(address, 303)
    if LOGINS.desk is None or LOGINS.desk.local:
        return RedirectResponse("/login", 303)
    return HTMLResponse(html_page("Logged out", '<p>You are logged out here. <a href="/login">Log in again</a></p>'))


def _refused(why: str, status: int) -> Response:
    body = f'<p role="alert"><b>{html.escape(why)}.</b></p><p><a href="/login">Log in again</a></p>'
    return HTMLResponse(html_page("Not logged in", body), status, headers=_PRIVATE)


def _oidc() -> tuple[OidcLogin, LoginService]:
    if LOGINS.oidc is None or LOGINS.desk is None:
        raise NotFoundError("this server knows no login service; the setting oidc_issuer names one")
    return LOGINS.oidc, LOGINS.desk


def _cookie() -> str:
    return f"samlabel_login_{settings.MONAI_LABEL_SERVER_PORT}"
