"""ID tokens: the claims of one that was made by the provider, for this server, for this login, and just now."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, JoseError
from joserfc.jwk import KeySet
from joserfc.util import to_bytes, urlsafe_b64decode

from samlabel.errors import LoginError
from samlabel.oidc.provider import Provider

# With a public key only: `none` and keys that both sides know are no proof.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")

WRONG = {
    "iss": "was made by another login service than oidc_issuer",
    "aud": "is for another program than this server (oidc_client)",
    "azp": "is for another program than this server (oidc_client)",
    "nonce": "belongs to another login: log in again",
    "iat": "says that it comes from the future: compare the clocks of this server and of the login service",
    "nbf": "says that it comes from the future: compare the clocks of this server and of the login service",
    "at_hash": "does not belong to the access token beside it",
}


def checked(raw: Any, provider: Provider, nonce: str, access_token: str | None = None) -> Mapping[str, Any]:
    """The claims of an ID token, or a refusal that says what is wrong with it."""
    header = _header(raw)
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise LoginError(f"the login service's token is signed with {str(algorithm)[:20]!r}, which proves nothing")
    settings = provider.settings
    try:
        token = jwt.decode(raw, _keys(provider, header.get("kid")), algorithms=list(ALGORITHMS))
    except (JoseError, ValueError) as error:
        raise LoginError("the token is not signed by the login service") from error
    issuer = provider.document()["issuer"]
    claims = CodeIDToken(
        token.claims,
        token.header,
        {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": settings.client}},
        {"nonce": nonce, "client_id": settings.client, "access_token": access_token},
    )
    try:
        claims.validate(int(time.time()), settings.skew_s)
    except ExpiredTokenError as error:
        raise LoginError(
            "the login service's token is over: log in again, or compare the clocks of both servers"
        ) from error
    except ClaimError as error:
        wrong = WRONG.get(error.claim, f"has no usable {error.claim}")
        raise LoginError(f"the login service's token {wrong}") from error
    return dict(claims)


def _header(raw: Any) -> dict[str, Any]:
    try:
        found = json.loads(urlsafe_b64decode(to_bytes(raw.split(".")[0])))
    except (ValueError, AttributeError, TypeError) as error:
        raise LoginError("the login service gave no ID token that can be read") from error
    if not isinstance(found, dict):
        raise LoginError("the login service gave no ID token that can be read")
    return found


def _keys(provider: Provider, name: Any) -> KeySet:
    """The keys, asked anew once when the token's is not among them: providers change theirs."""
    keys = provider.keys()
    if name is not None and all(key.kid != name for key in keys.keys):
        keys = provider.keys(unknown=True)
    return keys
