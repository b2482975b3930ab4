"""`/auth/...`: whether logins are on, and tokens for programs: 3D Slicer, scripts, a viewer on another web site.

The host's clients send a name and a password; accounts of this server are looked at first, then the realm of the host's
settings. A viewer elsewhere sends a code that its pop-up was given, with the verifier of PKCE.
"""

from __future__ import annotations

from typing import Annotated, Any

import requests
from anyio import to_thread
from fastapi import APIRouter, Form, HTTPException, Request
from monailabel.config import settings

from samlabel.access.callers import host_roles
from samlabel.access.identity import current_person
from samlabel.access.login_state import LOGINS
from samlabel.access.session_cookie import address_of
from samlabel.errors import LoginError, RequestError
from samlabel.host.login_fix import AWAY
from samlabel.logins.login_service import LoginService
from samlabel.logins.sessions import BEARER

router = APIRouter(prefix="/auth", tags=["Auth"])

REFUSED = (400, 401, 403)
PASSWORD, CODE = "password", "authorization_code"


@router.get("/", summary="Whether logins are on, and who is logged in")
def about() -> dict[str, Any]:
    """As the host's clients ask it; a viewer hears besides who it speaks for, and how to log in."""
    person = current_person()
    return {
        "enabled": LOGINS.on,
        "client_id": settings.MONAI_LABEL_AUTH_CLIENT_ID,
        "realm": settings.MONAI_LABEL_AUTH_REALM_URI,
        "login": "/login" if LOGINS.desk is not None else None,
        "name": person.name if person is not None else None,
        "role": person.role if person is not None else None,
    }


@router.post("/token", summary="A token for a name and a password")
async def access_token(
    request: Request,
    grant_type: Annotated[str, Form()] = PASSWORD,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
    code_verifier: Annotated[str, Form()] = "",
) -> dict[str, Any]:
    """401 when they are not known, 429 after too many that were not, 503 when the realm cannot be asked."""
    if not LOGINS.on:
        return {"access_token": None, "token_type": None}
    if grant_type not in (PASSWORD, CODE):
        raise RequestError(f"grant_type must be {PASSWORD} or {CODE}", "grant_type")
    if LOGINS.desk is None:
        return dict(await to_thread.run_sync(_of_realm, username, password))
    if grant_type == CODE:
        return _for_code(LOGINS.desk, request, code, code_verifier)
    if settings.MONAI_LABEL_AUTH_ENABLE and LOGINS.desk.accounts.find(username) is None:
        return dict(await to_thread.run_sync(_of_realm, username, password))
    person = await LOGINS.by_password(LOGINS.desk, username, password, address_of(request))
    return _token(LOGINS.desk, LOGINS.desk.open_session(person, address_of(request), PASSWORD, BEARER))


@router.get("/token/valid", summary="Whose token this is")
def valid() -> dict[str, Any]:
    """As the host's clients ask it before each visit."""
    person = current_person()
    name, role = (person.name, person.role) if person is not None else ("admin", "admin")
    return {"username": name, "email": None, "name": name, "roles": host_roles(role)}


def _for_code(desk: LoginService, request: Request, code: str, verifier: str) -> dict[str, Any]:
    person = desk.handovers.person_of(code, verifier, request.headers.get("origin", ""))
    if person is None:
        raise LoginError("this code was used, is older than a minute, or is another page's: log in again", "code")
    return _token(desk, desk.open_session(person, address_of(request), "viewer", BEARER))


def _token(desk: LoginService, secret: str) -> dict[str, Any]:
    return {"access_token": secret, "token_type": "bearer", "expires_in": int(desk.limits.absolute_s)}


def _of_realm(username: str, password: str) -> Any:
    try:
        told = _asked(username, password)
        return {"access_token": str(told["access_token"]), "token_type": str(told["token_type"])}
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        raise HTTPException(503, AWAY) from error


def _asked(username: str, password: str) -> Any:
    """What the realm's token endpoint says; where that is, is asked anew: an answer of a bad moment is not kept."""
    realm, seconds = settings.MONAI_LABEL_AUTH_REALM_URI, settings.MONAI_LABEL_AUTH_TIMEOUT
    found = requests.get(f"{realm}/.well-known/openid-configuration", timeout=seconds)
    found.raise_for_status()
    order = {
        "client_id": settings.MONAI_LABEL_AUTH_CLIENT_ID,
        "username": username,
        "password": password,
        "grant_type": "password",
    }
    told = requests.post(found.json()["token_endpoint"], data=order, timeout=seconds)
    if told.status_code in REFUSED:
        raise HTTPException(401, "the login service does not know this name and password")
    told.raise_for_status()
    return told.json()
