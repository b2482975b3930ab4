"""docs/http.md is held against the server's own OpenAPI: routes, parameters, roles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samlabel.access import roles
from samlabel.access.error_replies import STATUS
from tests.samlabel.conftest import Server

DOCUMENT = Path(__file__).parents[3] / "docs" / "http.md"
ROUTE = re.compile(r"`([A-Z]+) (\S+)`")

# The host's own way to bring a token while its realm is off; nobody looks at it.
UNREAD = {"token"}

PAGE = re.compile(r"`([A-Z]+) (/\S*)`")


def documented() -> dict[tuple[str, str], tuple[str, str, str, str]]:
    """Role, what is sent, answered and refused, by method and path."""
    found: dict[tuple[str, str], tuple[str, str, str, str]] = {}
    for line in DOCUMENT.read_text().partition("## Pages")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        route = ROUTE.fullmatch(cells[0])
        if route is not None:
            assert len(cells) == 5 and (route[1], route[2]) not in found, line
            found[route[1], route[2]] = (cells[1], cells[2], cells[3], cells[4])
    return found


@pytest.fixture(scope="module")
def spec(server: Server) -> dict[str, Any]:
    return dict(server.client.get("/openapi.json").json())


def operations(spec: dict[str, Any]) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield (method.upper(), path), operation


def names_sent(spec: dict[str, Any], operation: dict[str, Any]) -> set[str]:
    """Parameters and form fields of an operation."""
    found = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] != "header"}
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        if "$ref" in schema:
            schema = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        found |= set(schema.get("properties", ()))
    return found - UNREAD


def test_every_route_is_documented_and_no_other(spec: dict[str, Any]) -> None:
    assert {which for which, _ in operations(spec)} == set(documented())


def test_every_parameter_is_named(spec: dict[str, Any]) -> None:
    rows = documented()
    missing = {
        which: [name for name in sorted(names_sent(spec, operation)) if f"`{name}`" not in rows[which][1]]
        for which, operation in operations(spec)
    }
    assert {which: names for which, names in missing.items() if names} == {}


def test_the_role_is_the_one_of_the_table() -> None:
    for (method, path), row in documented().items():
        assert roles.needed(method, path) is not None, path
        assert row[0] == roles.needed(method, path)[1], (method, path)


def test_pages_have_their_role_too() -> None:
    told = {}
    for line in DOCUMENT.read_text().partition("## Pages")[2].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        told |= {(method, path): cells[1] for method, path in PAGE.findall(cells[0])}
    assert len(told) > 12
    assert told == {which: roles.needed(*which)[1] for which in told}


def test_the_statuses_are_those_that_refusals_become() -> None:
    text = DOCUMENT.read_text()
    table = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE) for code in row.split(",")}
    assert {status for status in STATUS.values() if 400 <= status < 600} - {499, 500} <= table
    used = {int(code) for row in documented().values() for code in re.findall(r"\b\d{3}\b", row[3])}
    assert used <= table
