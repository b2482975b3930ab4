"""What does not fit a route is refused in our words, under the name of a field."""

from __future__ import annotations

from typing import Any

import pytest

from tests.samlabel.conftest import Server

JSON = {"content-type": "application/json"}

MALFORMED: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("a body that is no JSON", "/activelearning/first", {"content": "{,", "headers": JSON}, "body", "valid JSON"),
    ("a body that is cut short", "/train/sam", {"content": '{"a": ', "headers": JSON}, "body", "valid JSON"),
    ("a list for an object", "/train/sam", {"json": [1]}, "body", "must be a JSON object"),
    ("a word for a switch", "/train/sam?run_sync=maybe", {"json": {}}, "run_sync", "must be true or false"),
    ("params that are no JSON", "/infer/sam_2d?image=l", {"data": {"params": "{"}}, "params", "valid JSON"),
]


@pytest.mark.parametrize(("path", "sent", "field", "words"), [c[1:] for c in MALFORMED], ids=[c[0] for c in MALFORMED])
def test_the_sentence_names_the_field(server: Server, path: str, sent: dict[str, Any], field: str, words: str) -> None:
    """`1: JSON decode error`, about a field called "1", was the answer."""
    reply = server.client.post(path, **sent)
    body = reply.json()
    assert reply.status_code == 422 and body["field"] == field, body
    assert words in body["detail"] and body["detail"].startswith(field), body
    assert "decode error" not in body["detail"] and "Input should" not in body["detail"]


def test_what_is_missing_is_said(server: Server) -> None:
    reply = server.client.get("/datastore/image")
    assert reply.status_code == 422 and reply.json() == {
        "detail": "image is missing: it must be sent",
        "field": "image",
    }
    word = server.client.get("/datastore/?output=everything")
    assert word.json()["detail"].startswith("output must be one of") and word.json()["field"] == "output"
