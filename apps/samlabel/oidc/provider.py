"""An OpenID Connect provider: what it says of itself, its keys, and tokens for codes."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from samlabel.errors import LoginAwayError, LoginError
from samlabel.oidc.settings import OidcSettings

TIMEOUT_S = 10.0

# What a provider says of itself may change; a key that is not known yet is looked for at once, but not more often than
# this, or tokens with invented keys would have this server ask without end.
GOOD_FOR_S, KEYS_AGAIN_S = 3600.0, 5.0

DISCOVERY = "/.well-known/openid-configuration"
NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Provider:
    """One provider; threads may share it."""

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._document: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    def session(self) -> OAuth2Session:
        """A client that knows what this server is called there."""
        settings = self.settings
        return OAuth2Session(
            settings.client,
            settings.secret,
            scope=settings.scopes,
            redirect_uri=settings.callback,
            code_challenge_method="S256",
            token_endpoint_auth_method=self._authentication(),
        )

    @property
    def _trusted(self) -> str | bool:
        """The certificates to trust, said with each request: a session's are overruled by REQUESTS_CA_BUNDLE."""
        return str(self.settings.ca_file) if self.settings.ca_file is not None else True

    def document(self) -> Mapping[str, Any]:
        """What the provider says of itself (discovery)."""
        with self._lock:
            if self._document is None or time.monotonic() - self._document[0] > GOOD_FOR_S:
                found = self._read(self.settings.issuer + DISCOVERY)
                if str(found.get("issuer", "")).rstrip("/") != self.settings.issuer:
                    raise LoginAwayError("the login service calls itself by another name than oidc_issuer")
                missing = [name for name in NEEDED if not isinstance(found.get(name), str)]
                if missing:
                    raise LoginAwayError(f"the login service does not say its {missing[0]}")
                self._document = time.monotonic(), found
            return self._document[1]

    def keys(self, unknown: bool = False) -> KeySet:
        """What it signs with; asked anew when a token names a key that is `unknown`."""
        address = self.document()["jwks_uri"]
        with self._lock:
            age = time.monotonic() - self._keys[0] if self._keys else GOOD_FOR_S
            if self._keys is None or age >= (KEYS_AGAIN_S if unknown else GOOD_FOR_S):
                try:
                    self._keys = time.monotonic(), KeySet.import_key_set(_usable(self._read(address)))
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise LoginAwayError("the keys of the login service cannot be read") from error
            return self._keys[1]

    def exchange(self, code: str, verifier: str) -> dict[str, Any]:
        """The tokens for a code; a code is good once, and only with its verifier."""
        address = self.document()["token_endpoint"]
        try:
            found = self.session().fetch_token(
                address, code=code, code_verifier=verifier, timeout=TIMEOUT_S, verify=self._trusted
            )
        except AuthlibBaseError as error:
            raise LoginError(f"the login service refuses the code ({error.error}): log in again") from error
        except (requests.RequestException, ValueError) as error:
            raise LoginAwayError() from error
        return dict(found)

    def person(self, access_token: str) -> dict[str, Any]:
        """What the provider tells of a person besides the ID token; nothing where it does not."""
        address = self.document().get("userinfo_endpoint")
        return self._read(address, {"Authorization": f"Bearer {access_token}"}) if isinstance(address, str) else {}

    def _authentication(self) -> str:
        """How this client says that it is itself: as the provider wants it, in the header where that is open."""
        if self.settings.secret is None:
            return "none"
        offered = self.document().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"

    def _read(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A JSON object of the provider."""
        try:
            reply = requests.get(address, headers=headers, timeout=TIMEOUT_S, verify=self._trusted)
            reply.raise_for_status()
            found = reply.json()
        except (requests.RequestException, ValueError) as error:
            raise LoginAwayError() from error
        if not isinstance(found, dict):
            raise LoginAwayError()
        return found


def _usable(found: dict[str, Any]) -> Any:
    """The keys for signatures; providers list others beside them."""
    return {"keys": [key for key in found["keys"] if key.get("use", "sig") == "sig" and key.get("kty") != "oct"]}
