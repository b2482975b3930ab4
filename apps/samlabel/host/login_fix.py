"""Fixes the host's login (JWT): with today's PyJWT it accepts nobody, and it fails with 500 while the realm is away."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import requests
from fastapi import HTTPException
from jwt import InvalidTokenError
from monailabel.endpoints.user import auth

# What Keycloak signs with; without a list PyJWT refuses every token.
ALGORITHMS = ["RS256"]

AWAY = "the login service cannot be asked; check MONAI_LABEL_AUTH_REALM_URI and that it runs"


def user_of(token: str) -> auth.User | None:
    """Whom a token of the realm stands for; None for what is no token of it, 503 while the realm is away."""
    try:
        return auth.from_token(token)
    except InvalidTokenError:
        return None


def mend() -> None:
    """Make tokens of the realm count, and say when it cannot be asked; done once however often it is called."""
    names = vars(auth)
    if isinstance(names["jwt"], SimpleNamespace):
        return
    stock = auth.from_token

    def from_token(token: str) -> auth.User:
        """The user of a token."""
        try:
            return stock(token)
        except (requests.RequestException, KeyError) as error:
            raise HTTPException(503, AWAY) from error

    names["jwt"] = SimpleNamespace(decode=partial(names["jwt"].decode, algorithms=ALGORITHMS))
    names["from_token"] = from_token
