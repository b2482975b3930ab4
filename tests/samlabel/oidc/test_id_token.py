"""ID tokens: what is not the provider's, not for this server, not for this login or not of now lets nobody in."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from samlabel.errors import LoginAwayError, LoginError
from samlabel.oidc import provider as module
from tests.samlabel.oidc.provider import ISSUER, FakeProvider, login_at, new_key, whole


def of_now(claims: dict[str, Any]) -> dict[str, Any]:
    """The same with times, which are given in seconds from now."""
    return {name: int(time.time()) + value if isinstance(value, int) else value for name, value in claims.items()}


@pytest.mark.parametrize(
    ("claims", "sentence"),
    [
        ({"aud": "another"}, "for another program"),
        ({"aud": ["another"]}, "for another program"),
        ({"aud": None}, "for another program"),
        ({"aud": ["samlabel", "another"], "azp": "another"}, "for another program"),
        ({"iss": "https://evil.example"}, "by another login service"),
        ({"iss": None}, "by another login service"),
        ({"exp": -120}, "is over: log in again, or compare the clocks"),
        ({"exp": None}, "has no usable exp"),
        ({"iat": 600}, "compare the clocks"),
        ({"nbf": 600}, "compare the clocks"),
        ({"nonce": "of another login"}, "belongs to another login"),
        ({"nonce": None}, "belongs to another login"),
        ({"sub": None}, "has no usable sub"),
        ({"at_hash": "AAAA"}, "does not belong to the access token"),
    ],
)
def test_a_token_with_wrong_claims(claims: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider(claims=of_now(claims))
    with pytest.raises(LoginError, match=sentence):
        whole(login_at(provider, monkeypatch), provider)


@pytest.mark.parametrize("claims", [{"exp": -20, "iat": -330}, {"iat": 30}, {"nbf": 30}])
def test_clocks_may_differ_a_little(claims: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider(claims=of_now(claims))
    assert whole(login_at(provider, monkeypatch), provider).name == "ann"


def unsigned(algorithm: str) -> str:
    facts = {"iss": ISSUER, "aud": "samlabel", "sub": "x", **of_now({"exp": 300, "iat": 0}), "groups": ["it"]}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": algorithm}, facts)]
    return b".".join([*parts, b""]).decode()


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (unsigned("none"), "signed with 'none', which proves nothing"),
        (unsigned("None"), "signed with 'None', which proves nothing"),
        (unsigned("ES256"), "not signed by the login service"),
        (jwt.encode({"alg": "HS256"}, {"iss": ISSUER}, OctKey.import_key("x" * 32)), "'HS256', which proves nothing"),
        ("nonsense", "no ID token that can be read"),
        ("W10.W10.", "no ID token that can be read"),
    ],
)
def test_a_token_that_proves_nothing(raw: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider(raw=raw)
    with pytest.raises(LoginError, match=sentence):
        whole(login_at(provider, monkeypatch), provider)


def test_a_token_of_somebody_else_s_key(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider(signs_with=new_key("first"))  # another key of that name
    with pytest.raises(LoginError, match="not signed by the login service"):
        whole(login_at(provider, monkeypatch), provider)


def test_a_provider_that_changes_its_keys_is_asked_for_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider()
    login = login_at(provider, monkeypatch)
    whole(login, provider)
    provider.keys = [new_key("second")]
    with pytest.raises(LoginError, match="not signed"):  # keys that are seconds old are not asked for again
        whole(login, provider)
    monkeypatch.setattr(module, "KEYS_AGAIN_S", 0.0)
    assert whole(login, provider).name == "ann" and provider.asked.count("/jwks") == 2
    whole(login, provider)
    assert provider.asked.count("/jwks") == 2  # known by now
    provider.signs_with = new_key("unknown to all")
    with pytest.raises(LoginError, match="not signed"):
        whole(login, provider)
    assert provider.asked.count("/jwks") == 3


@pytest.mark.parametrize(
    ("document", "sentence"),
    [({"issuer": "https://evil.example"}, "by another name"), ({"token_endpoint": None}, "does not say its token_end")],
)
def test_a_provider_that_is_none(document: dict[str, Any], sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider(document=document)
    with pytest.raises(LoginAwayError, match=sentence):
        login_at(provider, monkeypatch).begin("/")


def test_a_provider_that_is_away_is_asked_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = FakeProvider(away=True)
    login = login_at(provider, monkeypatch)
    with pytest.raises(LoginAwayError, match="cannot be asked"):
        login.begin("/")
    provider.away = False
    assert whole(login, provider).role == "annotator"
