"""Tokens: 3D Slicer's own client logs in; a viewer elsewhere trades its code; a realm that is away is a sentence."""

from __future__ import annotations

import json

import pytest

from samlabel.access.login_state import LOGINS
from samlabel.logins.person import Person
from samlabel.logins.secrets import challenge_of, new_secret
from tests.samlabel.conftest import Server
from tests.samlabel.people import PASSWORD, People

PAGE = "https://ohif.hospital"


def password(server: Server, name: str, word: str, **more: str):
    return server.client.post(
        "/auth/token", data={"username": name, "password": word, "grant_type": "password", **more}
    )


def test_slicer_s_client_logs_in_and_asks(server: Server, logins_on: People, monkeypatch: pytest.MonkeyPatch) -> None:
    from monailabel.client import client as host

    def over_here(method, address, selector, body=None, headers=None, content_type="application/json"):
        sent = {**(headers or {}), **({"content-type": content_type} if body else {})}
        content = json.dumps(body) if isinstance(body, dict) else body
        answer = server.client.request(method, selector, content=content, headers=sent)
        return answer.status_code, answer.content, None, answer.headers

    monkeypatch.setattr(host.MONAILabelUtils, "http_method", staticmethod(over_here))
    slicer = host.MONAILabelClient("http://testserver")
    assert slicer.auth_enabled() and not slicer.auth_valid_token()
    with pytest.raises(host.MONAILabelClientException):
        slicer.auth_token("annotator", "wrong password")
    slicer.update_auth(slicer.auth_token("annotator", PASSWORD))
    assert slicer.auth_valid_token() and slicer.info()["name"] == "samlabel"
    valid = server.client.get("/auth/token/valid", headers=slicer._headers).json()
    assert valid["username"] == "annotator" and valid["roles"] == ["monailabel-user", "monailabel-annotator"]
    with pytest.raises(host.MONAILabelClientException):
        slicer.train_start("sam", {})


def test_a_wrong_password_is_401_and_the_sixth_waits(server: Server, logins_on: People) -> None:
    answers = [password(server, "lead", "wrong password") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "1" and answers[0].headers["www-authenticate"] == "Bearer"
    logins_on.clock.now += 1
    assert password(server, "lead", PASSWORD).status_code == 200


def test_a_machine_s_token_is_a_password_too(
    server: Server, logins_on: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Book:
        def person_of(self, secret: str) -> Person | None:
            return Person("station", "annotator", "token") if secret == "slt_token" else None

        def serves(self, name: str, since: float) -> bool:
            return True

    monkeypatch.setattr(logins_on.desk, "tokens", Book())
    token = password(server, "slicer", "slt_token").json()["access_token"]
    told = server.client.get("/auth/", headers={"authorization": f"Bearer {token}"}).json()
    assert (told["name"], told["role"]) == ("station", "annotator")


def test_a_viewer_elsewhere_trades_its_code_for_a_token(
    server: Server, logins_on: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LOGINS, "origins", frozenset({PAGE}))
    verifier = new_secret()
    code = logins_on.desk.handovers.code(Person("annotator", "annotator"), challenge_of(verifier), PAGE)
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
    # the request guard lets only sites of the setting send anything; the code is for one of them
    assert server.client.post("/auth/token", data=form, headers={"origin": PAGE}).status_code == 403
    assert server.client.post("/auth/token", data=form).status_code == 401
    assert server.client.post("/auth/token", data={"grant_type": "magic"}).status_code == 422


def test_while_logins_are_off_there_is_no_token(server: Server) -> None:
    assert password(server, "lead", PASSWORD).json() == {"access_token": None, "token_type": None}
    assert server.client.get("/auth/token/valid").json()["username"] == "admin"
