"""A provider in this process that can be told to lie, and the login that asks it."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.jwk import ECKey

from samlabel.oidc.login import OidcLogin, VouchedPerson
from samlabel.oidc.settings import OidcSettings

ISSUER = "https://login.hospital"
ROLES = {"radiology": "annotator", "radiology-heads": "lead", "it": "admin"}


def new_key(name: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": name, "use": "sig", "alg": "ES256"}, private=True)


@dataclass
class FakeProvider:
    """Everything a test may bend is a field."""

    keys: list[ECKey] = field(default_factory=lambda: [new_key("first")])
    signs_with: ECKey | None = None  # not the last of its keys
    claims: dict[str, Any] = field(default_factory=dict)  # None takes one away
    header: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    raw: str | None = None  # instead of a token
    away: bool = False
    asked: list[str] = field(default_factory=list)
    verified: list[Any] = field(default_factory=list)  # with which certificates it was asked
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def log_in(self, address: str) -> dict[str, str]:
        """What a browser brings back that logs in at `address`."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """As an adapter of `requests`."""
        self.verified.append(options.get("verify"))
        path = urlsplit(str(request.url)).path
        self.asked.append(path)
        if self.away:
            raise requests.ConnectionError("nobody there")
        status, found = self._answer(path, request)
        response = requests.Response()
        response.status_code, response._content = status, json.dumps(found).encode()
        response.url, response.request = str(request.url), request
        response.headers["content-type"] = "application/json"
        return response

    def close(self) -> None:
        pass

    def _answer(self, path: str, request: requests.PreparedRequest) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "end_session_endpoint")
            document = {name: f"{ISSUER}/{name.removesuffix('_endpoint')}" for name in names}
            return 200, {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks", **document, **self.document}
        if path == "/jwks":
            return 200, {"keys": [key.as_dict(private=False) for key in self.keys]}
        if path == "/userinfo":
            return 200, self.userinfo
        return self._token({name: values[0] for name, values in parse_qs(str(request.body)).items()})

    def _token(self, order: dict[str, str]) -> tuple[int, dict[str, Any]]:
        began = self.codes.pop(order["code"], None)
        digest = hashlib.sha256(order["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if began is None or began["code_challenge_method"] != "S256" or began["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": self.raw or self._signed(began)}

    def _signed(self, began: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": "4711",
            "aud": began["client_id"],
            "exp": now + 300,
            "iat": now,
            "nonce": began["nonce"],
            "preferred_username": "ann",
            "groups": ["radiology"],
            **self.claims,
        }
        key = self.signs_with or self.keys[-1]
        told = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": key.kid, **self.header}, told, key)


def login_at(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> OidcLogin:
    monkeypatch.setattr(requests.Session, "get_adapter", lambda *_, **__: provider)
    return OidcLogin(OidcSettings(ISSUER, "samlabel", "https://samlabel.hospital", ROLES, **changes))


def whole(login: OidcLogin, provider: FakeProvider) -> VouchedPerson:
    """A login from its beginning to its end."""
    address, attempt = login.begin("/ohif/")
    return login.finish(provider.log_in(address), attempt.browser)[0]
