"""The matrix: every route of the application, every method, every role; a route without a row fails here."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import pytest
from fastapi.routing import iter_route_contexts

from samlabel.access import roles, session_cookie
from samlabel.access.gate import Gate
from samlabel.access.login_state import LOGINS
from samlabel.logins.person import ROLES, Person, rank
from samlabel.server.openapi import document
from tests.samlabel.conftest import Server
from tests.samlabel.people import People

# What anybody may ask before a login, and nothing else; the modules that the two entries import go with them.
ANONYMOUS = {
    ("GET", "/ready"),
    ("GET", "/health"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/login/first"),
    ("POST", "/login/first"),
    ("GET", "/favicon.ico"),
    ("GET", "/auth/"),
    ("POST", "/auth/token"),
    ("GET", "/auth/oidc/callback"),
}

# What each role may do that the one before it may not, in a few examples that nobody should change by accident.
EXAMPLES = {
    "machine": ("GET", "/metrics"),
    "user": ("POST", "/infer/sam_2d"),
    "annotator": ("PUT", "/datastore/label"),
    "reviewer": ("POST", "/labels/a/release"),
    "lead": ("POST", "/train/sam"),
    "admin": ("GET", "/logs/"),
}


def routes_of(server: Server) -> set[tuple[str, str]]:
    """Every method and address of the application, mounted ones and those in no document too."""
    found = set()
    for route in iter_route_contexts(server.client.app.routes):
        for method in getattr(route, "methods", None) or ("GET",):
            found.add((method, str(getattr(route, "path", "/"))))
    return found


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "x", path)


def asked_of_the_gate(requests: list[tuple[str, str, dict[str, str]]]) -> Iterator[int]:
    """The gate's own answers; 0 where it lets the request on."""

    async def beyond(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 0, "headers": []})

    async def ask(method: str, path: str, headers: dict[str, str]) -> int:
        path, _, query = path.partition("?")
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": raw}
        told: list[int] = []

        async def send(message) -> None:
            if message["type"] == "http.response.start":
                told.append(message["status"])

        await Gate(beyond)({**scope, "client": ("10.0.0.7", 1), "scheme": "http"}, None, send)
        return told[0]

    async def everything() -> list[int]:
        return [await ask(*request) for request in requests]

    yield from asyncio.run(everything())


def test_every_route_has_a_row_and_every_row_a_route(server: Server) -> None:
    shapes = {(method, roles.shape(path)) for method, path, _ in roles.table()}
    found = {(method, roles.shape(path)) for method, path in routes_of(server)}
    known = {(method, path) for method, path in found if roles.needed(method, filled(path)) is not None}
    assert found - known == set()
    assert len(found) > 80
    assert shapes - found == set()


def test_the_matrix(server: Server, logins_on: People) -> None:
    headers = {role: logins_on.bearer(role) for role in ROLES}
    cases = [(method, filled(path), role) for method, path in sorted(routes_of(server)) for role in ("", *ROLES)]
    answers = asked_of_the_gate([(method, path, headers.get(role, {})) for method, path, role in cases])
    for (method, path, role), status in zip(cases, answers, strict=True):
        _, least = roles.needed(method, path) or ("", "")
        if least == roles.ANYBODY:
            expected = 0
        elif not role:
            expected = 401
        else:
            expected = 0 if rank(role) >= rank(least) else 403
        assert status == expected, (method, path, role, status)


def test_the_document_says_which_routes_ask_for_a_login(server: Server, logins_on: People) -> None:
    told = document(server.client.app)
    schemes = told["components"]["securitySchemes"]
    assert schemes["session"]["name"] == session_cookie.name()
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            enough = operation["security"]
            assert {name for each in enough for name in each} <= schemes.keys()
            headers = logins_on.bearer("machine") if enough else {}
            (without,) = asked_of_the_gate([(method.upper(), filled(path), {})])
            assert (without == 0) == (not enough), (method, path)
            assert next(asked_of_the_gate([(method.upper(), filled(path), headers)])) in (0, 403)
    assert {} in told["paths"]["/metrics"]["get"]["security"]  # from the machine itself


def test_while_logins_are_off_the_document_asks_for_none(server: Server) -> None:
    told = document(server.client.app)
    assert told["components"]["securitySchemes"] == {}
    assert all(operation["security"] == [] for methods in told["paths"].values() for operation in methods.values())


def test_nobody_gets_more_than_the_list_from_the_whole_application(server: Server, logins_on: People) -> None:
    open_to_all = {(method, path) for method, path, role in roles.table() if role == roles.ANYBODY}
    assert open_to_all == ANONYMOUS
    for method, path in sorted(routes_of(server) - ANONYMOUS):
        answer = server.client.request(method, filled(path))
        assert answer.status_code == 401, (method, path, answer.status_code)
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/static/ohif/index.html", "/nothing", "/ohif/../info/", "/INFO/", "//info/", "/info/;x", "/login/x"):
        assert server.client.get(path).status_code in (401, 404, 422), path
    for module in ("extension.js", "mode.js", "session.js", "panel/panel.js"):
        code = server.client.get(f"/ohif/{module}")
        assert code.status_code == 200 and "javascript" in code.headers["content-type"]
    for file in ("index.html", "app-config.js", "", "samlabel", "panel", "panel/", "extension.js/", "../config.py"):
        assert server.client.get(f"/ohif/{file}").status_code in (401, 404, 422), file


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_those_before_it_may(logins_on: People, role: str) -> None:
    header = logins_on.bearer(role)
    requests = [(*EXAMPLES[each], header) for each in ROLES]
    expected = [0 if rank(each) <= rank(role) else 403 for each in ROLES]
    assert list(asked_of_the_gate(requests)) == expected


def test_an_address_that_is_none_is_closed_for_everybody(logins_on: People) -> None:
    admin = logins_on.bearer("admin")
    assert list(asked_of_the_gate([("GET", "/nothing", admin), ("PATCH", "/nothing", admin)])) == [404, 404]
    # an address with another method, or a slash less, is the application's to answer: it has no such route
    assert list(asked_of_the_gate([("PATCH", "/info/", admin), ("GET", "/info", admin)])) == [0, 0]


def test_a_draft_is_its_reader_s(logins_on: People) -> None:
    def label(method: str, tag: str, role: str) -> int:
        return next(asked_of_the_gate([(method, f"/datastore/label?id=a&tag={tag}", logins_on.bearer(role))]))

    for method in ("PUT", "DELETE"):
        assert label(method, "draft_annotator", "annotator") == 0
        assert label(method, "draft_lead", "annotator") == label(method, "draft_lead", "reviewer") == 403
        assert label(method, "draft_annotator", "lead") == 0
        assert label(method, "draft_annotator&tag=final", "annotator") == 403  # which of the two would count?
    assert label("DELETE", "final", "annotator") == 403 and label("DELETE", "final", "reviewer") == 0
    assert roles.draft_tag("dr.who@ward") == "draft_dr_46_who_64_ward"


def test_a_refusal_for_want_of_a_role_says_so_and_is_told(server: Server, logins_on: People) -> None:
    answer = server.client.post("/train/sam", json={}, headers=logins_on.bearer("annotator"))
    assert answer.status_code == 403 and answer.json()["field"] == "role"
    assert "needs the role lead; annotator has annotator" in answer.json()["detail"]
    assert [(event.what, event.who) for event in logins_on.told][-1] == ("refused", "annotator")


def test_a_person_of_no_role_may_nothing() -> None:
    assert not any(Person("guest", "").may(role) for role in ROLES)
    assert LOGINS.desk is None  # of tests before
