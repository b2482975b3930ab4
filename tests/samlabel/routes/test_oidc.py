"""A login from page to page at a real provider process, what of it is in the audit trail, and the logout."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from sam_infer.audit.trail import Trail
from sam_infer.audit.verify import verify_trail
from samlabel.access.audited import note_login
from samlabel.access.login_state import LOGINS
from samlabel.oidc.login import OidcLogin
from samlabel.oidc.settings import OidcSettings
from tests.login_service import login_service
from tests.samlabel.conftest import Server
from tests.samlabel.people import People

PAGE = {"accept": "text/html"}


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with login_service({"ann": ["radiology"], "eve": ["choir"], "lead": ["radiology"]}) as address:
        yield address


@pytest.fixture
def by_provider(server: Server, logins_on: People, provider: str, monkeypatch: pytest.MonkeyPatch) -> OidcLogin:
    """The running server, with logins by that provider besides its accounts."""
    settings = OidcSettings(provider, "samlabel", "http://testserver", {"radiology": "annotator"}, secret="s3")
    login, desk = OidcLogin(settings), logins_on.desk
    monkeypatch.setattr(LOGINS, "oidc", login)
    monkeypatch.setattr(
        desk, "tell", lambda event: note_login(event, lambda name: desk.accounts.find(name) is not None)
    )
    return login


def log_in(server: Server, name: str) -> httpx.Response:
    """As a browser does it: to the login page, to the provider, back."""
    sent = server.client.get("/login?by=oidc&next=/labels/", headers=PAGE, follow_redirects=False)
    assert sent.status_code == 303
    granted = httpx.post(sent.headers["location"], data={"sub": name})
    back = urlsplit(granted.headers["location"])
    return server.client.get(f"{back.path}?{back.query}", headers=PAGE, follow_redirects=False)


def told() -> list[tuple[str, str, str]]:
    trail = Trail.of()
    assert verify_trail(trail).faults == ()
    return [(line.what, line.who, line.how) for line in trail.lines() if line.what != "refused"]


def test_a_person_comes_in_works_and_leaves(server: Server, by_provider: OidcLogin, provider: str) -> None:
    assert "by=oidc" in server.client.get("/login").text
    answer = log_in(server, "ann")
    assert (answer.status_code, answer.headers["location"]) == (303, "/labels/")
    assert "httponly" in answer.headers["set-cookie"].lower() and "samesite=lax" in answer.headers["set-cookie"].lower()
    assert server.client.get("/labels/").status_code == 200
    assert server.client.get("/auth/").json()["name"] == "ann"
    refused = server.client.post("/train/sam", json={}, headers={"origin": "http://testserver"})
    assert refused.status_code == 403 and "needs the role lead" in refused.json()["detail"]
    left = server.client.post("/logout", headers={"origin": "http://testserver"}, follow_redirects=False)
    address = urlsplit(left.headers["location"])
    assert left.headers["location"].startswith(f"{provider}/oauth2/end_session")
    assert parse_qs(address.query)["post_logout_redirect_uri"] == ["http://testserver/"]
    assert server.client.get("/labels/").status_code == 401
    assert told() == [("login", "ann", "oidc"), ("logout", "ann", "")]
    refusals = [(line.who, line.subject) for line in Trail.of().lines() if line.what == "refused"]
    assert refusals == [("ann", "POST /train/{model}"), ("nobody", "GET /labels/")]


def test_somebody_without_a_group_is_told_why(server: Server, by_provider: OidcLogin) -> None:
    answer = log_in(server, "eve")
    assert answer.status_code == 401 and "eve is in none of the groups" in answer.text
    assert "samlabel_session" not in answer.headers.get("set-cookie", "")
    ((what, who, how),) = told()
    assert (what, who) == ("login refused", "nobody") and how.startswith("oidc: eve is in none")


def test_what_was_used_once_is_refused_and_told(server: Server, by_provider: OidcLogin) -> None:
    sent = server.client.get("/login?by=oidc", follow_redirects=False)
    back = urlsplit(httpx.post(sent.headers["location"], data={"sub": "ann"}).headers["location"])
    first = server.client.get(f"{back.path}?{back.query}", follow_redirects=False)
    again = server.client.get(f"{back.path}?{back.query}", follow_redirects=False)
    assert (first.status_code, again.status_code) == (303, 401) and "never begun here" in again.text
    code = parse_qs(back.query)["code"][0]
    state = parse_qs(urlsplit(server.client.get("/login?by=oidc", follow_redirects=False).headers["location"]).query)
    replayed = server.client.get(f"{back.path}?code={code}&state={state['state'][0]}", follow_redirects=False)
    assert replayed.status_code == 401 and "refuses the code" in replayed.text
    assert [what for what, _, _ in told()] == ["login", "login refused", "login refused"]


def test_a_name_that_an_account_has_is_not_shared(server: Server, by_provider: OidcLogin) -> None:
    answer = log_in(server, "lead")
    assert answer.status_code == 401 and "two people cannot have one name" in answer.text


def test_where_there_is_nothing_else_the_login_page_is_the_provider_s(
    server: Server, by_provider: OidcLogin, logins_on: People, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    monkeypatch.setattr(logins_on.desk, "local", False)
    asked = server.client.get("/labels/", headers=PAGE, follow_redirects=False)
    sent = server.client.get(asked.headers["location"], headers=PAGE, follow_redirects=False)
    assert sent.headers["location"].startswith(f"{provider}/oauth2/authorize")
    form = {"username": "lead", "password": "correct horse 7"}
    refused = server.client.post("/auth/token", data=form)
    assert refused.status_code == 401 and told()[-1] == ("login refused", "lead", "password: wrong name or password")
