"""The gate on the whole application: cookies, bearers, pages of other sites, this machine, and logins that are off."""

from __future__ import annotations

import pytest

from samlabel.access import forwarded
from samlabel.access.login_state import LOGINS
from samlabel.access.session_cookie import name as cookie_name
from tests.samlabel.conftest import Server, captured
from tests.samlabel.people import People

PAGE = {"accept": "text/html,*/*"}
OWN = {"origin": "http://testserver"}


def with_cookie(people: People, role: str, **headers: str) -> dict[str, str]:
    return {"cookie": f"{cookie_name()}={people.cookie(role)}", **headers}


def test_while_logins_are_off_the_gate_is_open(server: Server) -> None:
    assert server.client.get("/info/").status_code == 200 and not server.client.get("/auth/").json()["enabled"]
    assert server.client.get("/login").status_code == 404


def test_a_person_is_led_to_the_form_and_back_and_a_program_is_told(server: Server, logins_on: People) -> None:
    page = server.client.get("/ohif/samlabel?StudyInstanceUIDs=1.2&x=y", headers=PAGE, follow_redirects=False)
    assert page.status_code == 303
    assert page.headers["location"] == "/login?next=%2Fohif%2Fsamlabel%3FStudyInstanceUIDs%3D1.2%26x%3Dy"
    told = server.client.get("/info/")
    assert told.status_code == 401 and "log in first" in told.json()["detail"]


def test_a_cookie_is_who_asks_and_a_name_in_a_header_is_not(server: Server, logins_on: People) -> None:
    click = captured("slicer_sam_2d", "l", slice=12, foreground=[[24, 12, 12]])
    spoofed = with_cookie(logins_on, "annotator", **OWN, **{"x-samlabel-reader": "admin"})
    answer = server.send(click, **spoofed)
    assert (answer.status, answer.facts["reader"]) == (200, "annotator")
    assert server.client.get("/auth/", headers=spoofed).json()["name"] == "annotator"
    for wrong in ("x", logins_on.cookie("lead")[:-1], logins_on.bearer("lead")["authorization"][7:], "slc_"):
        assert server.client.get("/info/", headers={"cookie": f"{cookie_name()}={wrong}"}).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OWN, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://testserver.evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_no_other_page_can_use_a_cookie(
    server: Server, logins_on: People, headers: dict[str, str], status: int
) -> None:
    sent = with_cookie(logins_on, "annotator", **headers)
    assert server.client.put("/lease/?image=l", headers=sent).status_code == status
    server.client.delete("/lease/?image=l", headers=with_cookie(logins_on, "annotator", **OWN))


def test_a_viewer_s_site_uses_a_bearer_and_not_the_cookie(
    server: Server, logins_on: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a site that may drive this server sends no cookie for its reader."""
    from samlabel.access.gate import Asked

    assert not Asked("PUT", "/lease/", "", _headers("https://ohif.hospital"), "", False).from_own_page
    assert Asked("PUT", "/lease/", "", _headers("https://here"), "", False).from_own_page


def _headers(origin: str):
    from starlette.datastructures import Headers

    return Headers({"origin": origin, "host": "here"})


def test_a_header_counts_before_a_cookie(server: Server, logins_on: People) -> None:
    both = {**with_cookie(logins_on, "admin"), **logins_on.bearer("annotator")}
    assert server.client.get("/auth/", headers=both).json()["name"] == "annotator"
    assert server.client.get("/info/", headers={**both, "authorization": "Bearer wrong"}).status_code == 401
    for odd in ("Basic cmVhZGVyOng=", "Bearer", "Bearer ", "bearer", ""):
        assert server.client.get("/info/", headers={"authorization": odd}).status_code == 401


def test_counters_are_told_to_this_machine(server: Server, logins_on: People, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi.testclient import TestClient

    here, elsewhere = (TestClient(server.client.app, client=(peer, 1)) for peer in ("127.0.0.1", "10.0.0.7"))
    assert here.get("/metrics").status_code == 200 and elsewhere.get("/metrics").status_code == 401
    assert here.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 401
    assert here.get("/info/").status_code == 401  # this machine's people log in as well
    assert elsewhere.get("/metrics", headers=logins_on.bearer("machine")).status_code == 200
    assert elsewhere.get("/info/", headers=logins_on.bearer("machine")).status_code == 403
    monkeypatch.setattr(LOGINS, "proxies", forwarded.networks(["127.0.0.1"]))
    assert here.get("/metrics", headers={"x-forwarded-for": "127.0.0.1"}).status_code == 401


def test_what_a_viewer_asks_by_itself_keeps_no_session_alive(server: Server, logins_on: People) -> None:
    sent, work = with_cookie(logins_on, "annotator", **OWN), ("GET", "/info/")
    for calls, left in (([("PUT", "/lease/?image=l"), ("GET", "/train/")], 401), ([work], 200)):
        sent = with_cookie(logins_on, "annotator", **OWN)
        for _ in range(3):
            logins_on.clock.now += logins_on.desk.limits.idle_s / 2 + 1
            for method, path in calls:
                server.client.request(method, path, headers=sent)
        assert server.client.request(*work, headers=sent).status_code == left
    server.client.delete("/lease/?image=l", headers=sent)
