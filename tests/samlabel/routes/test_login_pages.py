"""The pages to log in and out: plain forms, safe from other sites, and the pop-up that hands a login over."""

from __future__ import annotations

import json
import re

import pytest

from samlabel.access.login_state import LOGINS
from samlabel.access.session_cookie import name as cookie_name
from samlabel.logins.secrets import challenge_of, new_secret
from tests.samlabel.conftest import Server
from tests.samlabel.people import PASSWORD, People

PAGE = "https://ohif.hospital"
OWN = {"origin": "http://testserver"}


def send(server: Server, path: str, **fields: str):
    return server.client.post(path, data=fields, headers=OWN, follow_redirects=False)


def test_in_and_out(server: Server, logins_on: People) -> None:
    form = server.client.get("/login?next=/labels/")
    assert form.status_code == 200 and 'value="/labels/"' in form.text and "<script" not in form.text
    let_in = send(server, "/login", username="annotator", password=PASSWORD, next="/labels/")
    assert (let_in.status_code, let_in.headers["location"]) == (303, "/labels/")
    cookie = let_in.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie and "secure" not in cookie
    start = server.client.get("/")
    assert "You are annotator" in start.text and 'action="/logout"' in start.text
    secret = server.client.cookies[cookie_name()]
    assert send(server, "/logout").headers["location"] == "/login"
    again = server.client.get("/info/", headers={"cookie": f"{cookie_name()}={secret}"})
    assert again.status_code == 401  # the session is over, not only its cookie gone
    assert [event.what for event in logins_on.told] == ["login", "logout"]


def test_a_wrong_password_gets_the_form_again(server: Server, logins_on: People) -> None:
    wrong = send(server, "/login", username='a"><script>', password="x", next="/labels/")
    assert wrong.status_code == 401 and "not known here" in wrong.text and "<script>" not in wrong.text
    assert "set-cookie" not in wrong.headers and 'value="/labels/"' in wrong.text
    answers = [send(server, "/login", username="lead", password="wrong") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]


@pytest.mark.parametrize(
    "next", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/a\nb", ""]
)
def test_a_login_leads_nowhere_else(server: Server, logins_on: People, next: str) -> None:
    assert send(server, "/login", username="lead", password=PASSWORD, next=next).headers["location"] == "/"


@pytest.mark.parametrize("path", ["/login", "/logout", "/login/first"])
def test_no_other_page_sends_these_forms(server: Server, logins_on: People, path: str) -> None:
    evil = server.client.post(
        path, data={"username": "lead", "password": PASSWORD}, headers={"origin": "http://evil.example"}
    )
    assert evil.status_code == 403 and "set-cookie" not in evil.headers


@pytest.mark.parametrize("path", ["/login", "/login/first?key=KEY"])
def test_no_page_is_framed_or_kept(server: Server, people: People, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from samlabel.logins.login_service import LoginService

    empty = LoginService(people.folder / "empty", clock=people.clock)
    monkeypatch.setattr(LOGINS, "desk", empty)
    page = server.client.get(path.replace("KEY", str(empty.first.new()).partition("key=")[2]))
    assert page.status_code == 200 and page.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert re.findall(r"(?:src|href)=\"?(?:https?:)?//[^\"> ]*", page.text) == []


def test_the_first_administrator(server: Server, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    from samlabel.logins.login_service import LoginService

    empty = LoginService(people.folder / "empty", clock=people.clock)
    monkeypatch.setattr(LOGINS, "desk", empty)
    key = str(empty.first.new()).partition("key=")[2]
    fields = {"key": key, "username": "ada", "password": PASSWORD}
    assert "differ" in send(server, "/login/first", **fields, again="other").text
    assert "characters" in send(server, "/login/first", **{**fields, "password": "x"}, again="x").text
    made = send(server, "/login/first", **fields, again=PASSWORD)
    assert made.status_code == 303 and "set-cookie" in made.headers
    assert send(server, "/login/first", **{**fields, "username": "eve"}, again=PASSWORD).status_code == 403
    assert server.client.get(f"/login/first?key={key}").status_code == 403
    assert [account.name for account in empty.accounts.all()] == ["ada"]


def test_a_pop_up_hands_a_login_over_to_a_named_site_only(
    server: Server, logins_on: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGINS, "origins", frozenset({PAGE}))
    verifier, cookie = new_secret(), {"cookie": f"{cookie_name()}={logins_on.cookie('annotator')}"}
    asked = {"challenge": challenge_of(verifier), "origin": PAGE}
    page = server.client.get("/login/viewer", params=asked, headers=cookie)
    told = re.search(r"postMessage\((\{.*?\}), (\".*?\")\)", page.text)
    assert told is not None and json.loads(told[2]) == PAGE
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    code = json.loads(told[1])["code"]
    person = logins_on.desk.handovers.person_of(code, verifier, PAGE)
    assert person is not None and person.name == "annotator"
    for site in ("https://evil.example", "", f"{PAGE}.evil.example", "null", '"</script>'):
        refused = server.client.get("/login/viewer", params={**asked, "origin": site}, headers=cookie)
        assert refused.status_code == 403, site
    page = server.client.get("/login/viewer", params=asked, headers={"accept": "text/html"}, follow_redirects=False)
    assert page.status_code == 303 and page.headers["location"].startswith("/login?next=%2Flogin%2Fviewer")
    assert "window.location.origin" in server.client.get("/login/done", headers=cookie).text
