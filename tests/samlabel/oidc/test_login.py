"""Logins by a provider: what leads to a person, and what is used a second time or in another browser leads nowhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from samlabel.errors import LoginError
from samlabel.oidc import attempts
from tests.samlabel.oidc.provider import ISSUER, FakeProvider, login_at, whole


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider()


def test_a_browser_is_sent_with_state_nonce_and_a_challenge(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, attempt = login_at(provider, monkeypatch).begin("/ohif/")
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert address.startswith(f"{ISSUER}/authorization?") and attempt.verifier not in address
    assert (query["response_type"], query["client_id"]) == ("code", "samlabel")
    assert query["redirect_uri"] == "https://samlabel.hospital/auth/oidc/callback"
    assert (query["state"], query["nonce"], query["code_challenge_method"]) == (attempt.state, attempt.nonce, "S256")
    assert "openid" in query["scope"].split()


def test_a_state_and_a_code_are_good_once(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    login = login_at(provider, monkeypatch)
    address, attempt = login.begin("/")
    back = provider.log_in(address)
    assert login.finish(back, attempt.browser)[1].back_to == "/"
    with pytest.raises(LoginError, match="is over or was never begun here"):
        login.finish(back, attempt.browser)
    _, other = login.begin("/")
    with pytest.raises(LoginError, match=r"refuses the code .invalid_grant."):
        login.finish({"code": back["code"], "state": other.state}, other.browser)


def test_a_code_of_another_login_fails_its_challenge(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    login = login_at(provider, monkeypatch)
    stolen = provider.log_in(login.begin("/")[0])
    _, mine = login.begin("/")
    with pytest.raises(LoginError, match="refuses the code"):
        login.finish({**stolen, "state": mine.state}, mine.browser)


@pytest.mark.parametrize("browser", ["", "of somebody else"])
def test_another_browser_cannot_end_a_login(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, browser: str
) -> None:
    login = login_at(provider, monkeypatch)
    with pytest.raises(LoginError, match="begun in another browser"):
        login.finish(provider.log_in(login.begin("/")[0]), browser)


def test_two_windows_of_a_browser_may_log_in_at_once(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    login = login_at(provider, monkeypatch)
    first, one = login.begin("/a")
    second, two = login.begin("/b", one.browser)
    assert login.finish(provider.log_in(first), two.browser)[1].back_to == "/a"
    assert login.finish(provider.log_in(second), two.browser)[1].back_to == "/b"


def test_a_login_that_takes_too_long(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    login = login_at(provider, monkeypatch)
    address, attempt = login.begin("/")
    monkeypatch.setattr(attempts, "GOOD_FOR_S", -1.0)
    with pytest.raises(LoginError, match="longer than ten minutes"):
        login.finish(provider.log_in(address), attempt.browser)


@pytest.mark.parametrize(
    ("query", "sentence"), [({"error": "access_denied"}, "says 'access_denied'"), ({}, "sent no code")]
)
def test_a_provider_that_refuses(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, query: dict[str, str], sentence: str
) -> None:
    login = login_at(provider, monkeypatch)
    _, attempt = login.begin("/")
    with pytest.raises(LoginError, match=sentence):
        login.finish({"state": attempt.state, **query}, attempt.browser)


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"groups": ["radiology"]}, "annotator"),
        ({"groups": ["it", "radiology", "choir"]}, "admin"),
        ({"groups": "radiology radiology-heads"}, "lead"),
    ],
)
def test_groups_make_roles(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, claims: dict[str, Any], role: str
) -> None:
    provider.claims = claims
    assert whole(login_at(provider, monkeypatch), provider).role == role


def test_groups_make_projects(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.claims = {"groups": ["radiology", "liver-study"]}
    known = (("liver-study", "liver"), ("radiology", "liver"), ("it", "all"))
    assert whole(login_at(provider, monkeypatch, projects=known), provider).projects == ("liver",)


@pytest.mark.parametrize("groups", [["choir"], [], "", 7, {"it": True}])
def test_no_group_no_way_in(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, groups: Any) -> None:
    provider.claims = {"groups": groups}
    with pytest.raises(LoginError, match="ann is in none of the groups"):
        whole(login_at(provider, monkeypatch), provider)


def test_groups_lie_where_the_settings_say_or_in_the_userinfo(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = login_at(provider, monkeypatch, groups_claim="realm_access#roles", name_claim="email")
    provider.claims = {"realm_access": {"roles": ["it"]}, "email": "ann@hospital.org"}
    assert (whole(login, provider).name, provider.asked.count("/userinfo")) == ("ann@hospital.org", 0)
    provider.claims = {"email": "ann@hospital.org"}
    provider.userinfo = {"sub": "4711", "realm_access": {"roles": ["radiology"]}}
    assert whole(login, provider).role == "annotator"
    provider.userinfo["sub"] = "somebody else"
    with pytest.raises(LoginError, match="tells of somebody else"):
        whole(login, provider)


def test_a_person_needs_a_plain_name(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.claims = {"preferred_username": "Ann <b>Lee</b>"}
    assert whole(login_at(provider, monkeypatch), provider).name == "4711"  # what never changes
    provider.claims |= {"sub": "auth0|4711"}
    with pytest.raises(LoginError, match="set oidc_name_claim"):
        whole(login_at(provider, monkeypatch), provider)


def test_a_hospital_s_own_certificates_count_everywhere(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole(login_at(provider, monkeypatch, ca_file=tmp_path / "ca.pem", secret="s3"), provider)
    assert set(provider.verified) == {str(tmp_path / "ca.pem")} and len(provider.verified) == 3


def test_a_logout_leads_to_the_provider_once(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    login = login_at(provider, monkeypatch)
    person = whole(login, provider)
    login.remember("a session's secret", person.id_token)
    assert person.id_token not in repr(person)
    address = str(login.logout_address("a session's secret"))
    query = parse_qs(urlsplit(address).query)
    assert address.startswith(f"{ISSUER}/end_session?") and query["id_token_hint"] == [person.id_token]
    assert query["post_logout_redirect_uri"] == ["https://samlabel.hospital/"]
    assert login.logout_address("a session's secret") is None
