"""Hostile files and requests over HTTP: a sentence and a 4xx, no path of this machine, no memory, nothing stored."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from samlabel.access.uploads import IMAGE_SUFFIXES, LABEL_SUFFIXES
from tests.hostile import nifti
from tests.hostile.bombs import gzip_bomb
from tests.hostile.corpus import corpus, few
from tests.hostile.file import HostileFile
from tests.hostile.memory import peak
from tests.samlabel.conftest import Server

MOST_MB = 200
CLICK = {"params": json.dumps({"foreground": [[1, 1, 1]]})}


def told(reply: Any, server: Server, file: HostileFile) -> None:
    """A refusal that says something and nothing about this machine; a mutant may pass."""
    assert reply.status_code < 500, (file.file_name, reply.text)
    if reply.status_code == 200:
        assert not file.must_fail, file.file_name
        return
    sentence = reply.json()["detail"]
    assert len(sentence) > 15 and "\n" not in sentence, (file.file_name, sentence)
    for place in (str(server.studies.parent), "/tmp", "/etc", "site-packages"):
        assert place not in sentence, (file.file_name, sentence)


def test_every_hostile_file_as_an_image(server: Server) -> None:
    files = [file for file in corpus() if file.suffix in IMAGE_SUFFIXES]
    assert len(files) >= 200
    with peak() as taken:
        for file in files:
            reply = server.client.put("/datastore/image?image=hostile", files={"file": (file.file_name, file.content)})
            told(reply, server, file)
            if reply.status_code == 200:
                server.client.delete("/datastore/image?id=hostile")
    assert taken.mb < MOST_MB
    assert not list(server.studies.glob("hostile*")) and server.client.get("/info/").status_code == 200


def test_every_hostile_file_as_a_label(server: Server) -> None:
    before = (server.studies / "labels" / "final" / "l.nii.gz").read_bytes()
    with peak() as taken:
        for file in corpus():
            if file.suffix in LABEL_SUFFIXES:
                address = "/datastore/label?image=l&tag=hostile"
                reply = server.client.put(address, files={"label": (file.file_name, file.content)})
                told(reply, server, file)
                assert reply.status_code != 200  # no mutant has the image's grid
    assert taken.mb < MOST_MB
    assert (server.studies / "labels" / "final" / "l.nii.gz").read_bytes() == before


def test_hostile_files_to_infer_on(server: Server) -> None:
    with peak() as taken:
        for file in (*few(), *(file for file in corpus() if "claims" in file.name)):
            if file.suffix not in IMAGE_SUFFIXES:
                continue
            part = (file.file_name, file.content)
            told(server.client.post("/infer/sam_2d", files={"file": part}, data=CLICK), server, file)
            told(server.client.post("/infer/sam_2d?image=l", files={"label": part}, data=CLICK), server, file)
            session = server.client.put("/session/", files={"files": part}).json()["session_id"]
            reply = server.client.post(f"/infer/sam_2d?session_id={session}", data=CLICK)
            told(reply, server, file)
            server.client.delete(f"/session/{session}")
    assert taken.mb < MOST_MB


def test_a_label_that_inflates_to_more_than_its_image(server: Server) -> None:
    """2.5 GB behind a header of another size are not unpacked, and behind one of the right size neither."""
    shape = (40, 32, 24)
    other = gzip_bomb(nifti.Header(sizes=(1280, 1024, 1000), kind=2, bits=8).packed())
    right = nifti.Header(sizes=shape, kind=2, bits=8).packed() + bytes(math.prod(shape))
    with peak() as taken:
        for content in (other, gzip_bomb(right)):
            reply = server.client.put("/datastore/label?image=l&tag=x", files={"label": ("x.nii.gz", content)})
            assert reply.status_code == 422 and "grid" in reply.json()["detail"], reply.text
    assert taken.mb < MOST_MB


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("application/x-www-form-urlencoded", b"params=" + b"a" * (50 << 20)),
        ("application/json", b"[" * (50 << 20)),
        ("", b"x" * (50 << 20)),
    ],
)
def test_large_requests_without_files_are_refused_before_they_are_read(
    server: Server, kind: str, content: bytes
) -> None:
    """A form field of 50 MB took 16 s: it was copied with every piece that arrived."""
    headers = {"content-type": kind} if kind else {}
    with peak() as taken:
        reply = server.client.post("/infer/sam_2d?image=l", content=content, headers=headers)
    assert reply.status_code == 413 and "at most 1 MB" in reply.json()["detail"]
    sent = 0

    def pieces() -> Any:
        nonlocal sent
        for start in range(0, len(content), 1 << 16):
            sent += 1 << 16
            yield content[start : start + (1 << 16)]

    reply = server.client.post("/infer/sam_2d?image=l", content=pieces(), headers=headers)
    assert reply.status_code in (413, 422)
    assert taken.mb < MOST_MB


def test_a_field_of_a_form_with_files(server: Server) -> None:
    form = {"params": "a" * (50 << 20)}
    reply = server.client.post("/infer/sam_2d?image=l", files={"unused": ("", b"")}, data=form)
    assert reply.status_code == 400 and "1024KB" in reply.json()["detail"]


def test_without_nvidia_smi_and_after_a_fault_the_connection_stays(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a 500 the exception was raised again, and the next request of that connection was reset."""
    from fastapi.testclient import TestClient

    from samlabel.server.asgi import app

    strict = TestClient(app)  # raises what an application raises
    monkeypatch.setenv("PATH", "")
    reply = strict.get("/logs/gpu")
    assert reply.status_code == 404 and "nvidia-smi" in reply.json()["detail"]

    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(server.app, "answer", fail)
    reply = strict.post("/infer/sam_2d?image=l", data=CLICK)
    assert reply.status_code == 500 and "error" in reply.json()["detail"]


def test_a_realm_that_is_away_or_does_not_know_the_name(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from monailabel.config import settings

    from samlabel.routes import login

    monkeypatch.setattr(settings, "MONAI_LABEL_AUTH_ENABLE", True)
    monkeypatch.setattr(settings, "MONAI_LABEL_AUTH_REALM_URI", "http://127.0.0.1:9/realm")
    app = FastAPI()
    app.include_router(login.router)
    client = TestClient(app)
    form = {"username": "anna", "password": "x"}
    reply = client.post("/auth/token", data=form)
    assert reply.status_code == 503 and "login service" in reply.json()["detail"]

    def answering(status: int, content: bytes) -> Any:
        answer = requests.Response()
        answer.status_code, answer._content = status, content
        return lambda *_, **__: answer

    monkeypatch.setattr(requests, "get", answering(200, b'{"token_endpoint": "http://127.0.0.1:9/token"}'))
    monkeypatch.setattr(requests, "post", answering(401, b"{}"))
    assert client.post("/auth/token", data=form).status_code == 401
    monkeypatch.setattr(requests, "post", answering(200, b"<html>"))
    assert client.post("/auth/token", data=form).status_code == 503
    monkeypatch.setattr(requests, "post", answering(200, b'{"access_token": "a", "token_type": "bearer"}'))
    assert client.post("/auth/token", data=form).json() == {"access_token": "a", "token_type": "bearer"}


def test_the_limit_of_images_is_a_setting(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAMLABEL_IMAGE_MB", "1")
    large = nifti.Header(sizes=(512, 512, 3)).packed() + bytes(2 * 512 * 512 * 3)
    reply = server.client.put("/datastore/image?image=large", files={"file": ("large.nii", large)})
    assert reply.status_code == 422 and "image_mb" in reply.json()["detail"]
