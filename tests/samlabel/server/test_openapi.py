"""What the document says is what comes back: seeded requests, good and bad, to every address in it.

`make accept` asks a real server with schemathesis (tests/accept/test_fuzz.py); this is the short run in this process.
"""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.samlabel.conftest import Server

SEED = 22
TRIES = 6  # per address

# A process of its own per request, or what other tests of this session need.
LEFT_OUT = {("delete", "/datastore/image"), ("delete", "/datastore/"), ("delete", "/datastore/label")}
LEFT_OUT |= {("post", "/train/"), ("post", "/train/{model}"), ("post", "/batch/infer/{model}")}
LEFT_OUT |= {("post", "/scoring/"), ("post", "/scoring/{method}")}

TEXTS = (
    "",
    "l",
    "final",
    "nothing",
    "..",
    "../../etc/passwd",
    "a/b",
    "\u202eevil",
    "x" * 300,
    "null",
    "-1",
    "%00",
    "\u00e4",
    "{}",
)
VALUES: tuple[Any, ...] = (None, True, -1, 2**70, 1e308, "text", [], [[]], {}, {"a": {"b": []}}, "\ud7ff")

# Only there: what `json` would refuse to send.
IN_FORMS = (*VALUES, {"a": float("inf")}, {"a": [float("nan")]})


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(method, path, op) for path, found in document["paths"].items() for method, op in found.items()]


def test_requests_of_every_sort_get_documented_answers(server: Server) -> None:
    document = server.client.get("/openapi.json").json()
    draw, sent, wrong = random.Random(SEED), 0, []
    for method, path, operation in operations(document):
        if (method, path) in LEFT_OUT:
            continue
        for _ in range(TRIES):
            reply = ask(server, method, path, operation, draw)
            sent += 1
            complaint = differs(reply, operation, str(server.studies.parent))
            if complaint:
                wrong.append((method, path, complaint, reply.text[:200]))
    assert wrong == [] and sent > 150
    assert server.client.get("/info/").status_code == 200


def ask(server: Server, method: str, path: str, operation: dict[str, Any], draw: random.Random) -> Any:
    """One request: parameters by name, some left out, and a body of the kind that is wanted, or of another."""
    query, headers = {}, {}
    for parameter in operation.get("parameters", []):
        value = draw.choice(TEXTS)
        if parameter["in"] == "path":
            path = path.replace(
                f"{{{parameter['name']}}}", value.replace("/", "%2F").replace("..", "%2E%2E") or "nothing"
            )
        elif parameter.get("required") or draw.random() < 0.5:
            (headers if parameter["in"] == "header" else query)[parameter["name"]] = value
    headers = {name: value.encode("ascii", "ignore").decode() for name, value in headers.items()}
    body: dict[str, Any] = {}
    if "requestBody" in operation:
        kinds = list(operation["requestBody"]["content"])
        body = draw.choice((_form(draw), {"json": draw.choice(VALUES)}, {"content": b"\xff\x00{"}))
        if "application/json" in kinds:
            body = draw.choice(({"json": draw.choice(VALUES)}, {"json": {"a": draw.choice(VALUES)}}, body))
    return server.client.request(method.upper(), path, params=query, headers=headers, **body)


def _form(draw: random.Random) -> dict[str, Any]:
    data = {name: json.dumps(draw.choice(IN_FORMS)) for name in ("params", "info") if draw.random() < 0.7}
    part = (draw.choice(("a.nii.gz", "a.png", "", "../a.nii")), draw.choice((b"", b"hello", b"\x1f\x8b\x08")))
    return {"data": data, "files": {name: part for name in ("file", "label", "files") if draw.random() < 0.5}}


def differs(reply: Any, operation: dict[str, Any], secret: str) -> str:
    """What the document does not say of an answer."""
    answers = operation["responses"]
    if reply.status_code == 500 or str(reply.status_code) not in answers:
        return f"status {reply.status_code}"
    kinds = answers[str(reply.status_code)].get("content", {})
    kind = reply.headers.get("content-type", "").split(";")[0]
    if kinds and reply.content and kind not in kinds:
        return f"{kind} instead of {', '.join(kinds)}"
    if reply.status_code >= 400 and reply.content and not isinstance(reply.json().get("detail"), str):
        return "a refusal without a sentence"
    return "a path of this machine" if secret in reply.text else ""


def test_other_methods_are_refused_and_those_that_there_are_are_named(server: Server) -> None:
    """Of an address with several routes the router names the methods of one."""
    document = server.client.get("/openapi.json").json()
    for path, found in document["paths"].items():
        address = path.replace("{", "").replace("}", "")
        reply = server.client.request("TRACE", address)
        assert reply.status_code == 405, (path, reply.status_code)
        assert reply.headers["allow"].lower().split(", ") == sorted(found), path
        assert isinstance(reply.json()["detail"], str)


def test_what_is_switched_off_and_what_is_twice_is_not_described_wrongly(server: Server) -> None:
    document = server.client.get("/openapi.json").json()
    assert "/infer/wsi/{model}" not in document["paths"] and "put" not in document["paths"].get("/model/{model}", {})
    for method, path in (("put", "/datastore/"), ("post", "/train/"), ("post", "/scoring/")):
        assert document["paths"][path][method]["deprecated"], "the second address of a route is described too"
    ours = document["paths"]["/infer/{model}"]["post"]
    assert ours["summary"] == "Segment" and "413" in ours["responses"]
    assert document["components"]["schemas"]["Refusal"]["required"] == ["detail"]


@pytest.mark.parametrize("address", ["/openapi.json"])
def test_the_document_names_no_place(server: Server, address: str) -> None:
    assert str(server.studies.parent) not in server.client.get(address).text
