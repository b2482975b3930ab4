"""`POST /auth/token`: a login's token for a name and a password; the host's version answers every refusal with 500."""

from __future__ import annotations

from typing import Any

import requests
from fastapi import APIRouter, Depends, HTTPException
from fastapi.security import OAuth2PasswordRequestForm
from monailabel.config import settings
from monailabel.endpoints.user.auth import Token

from samlabel.host.login_fix import AWAY

router = APIRouter(prefix="/auth", tags=["Auth"])

REFUSED = (400, 401, 403)


@router.post("/token", summary="A token for a name and a password")
def access_token(form: OAuth2PasswordRequestForm = Depends()) -> Token:
    """Ask the realm; 401 when it does not know them, 503 when it cannot be asked."""
    try:
        return Token.model_validate(_asked(form.username, form.password))
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
