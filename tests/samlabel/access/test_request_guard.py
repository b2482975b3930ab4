"""Who may talk to the server, whose request it is, and what a failure looks like."""

from __future__ import annotations

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import sam_infer
import samlabel
from sam_infer.errors import CacheError, ModelError, SamError
from tests.samlabel.conftest import Server, captured

CLICK = {"foreground": [[24, 12, 12]]}


def families(kind: type[SamError]) -> set[type[SamError]]:
    return {kind}.union(*(families(child) for child in kind.__subclasses__()))


def test_every_error_has_a_status_of_its_own(server: Server) -> None:
    from samlabel.access.error_replies import STATUS, status_of

    for package in (sam_infer, samlabel):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.name.endswith(("main", "main__")) and not module.ispkg:
                importlib.import_module(module.name)
    elsewhere = ("sam_trainer.", "samlabel.server_bench.")  # trainings and benches answer no request
    served = {kind for kind in families(SamError) - {SamError} if not kind.__module__.startswith(elsewhere)}
    for kind in served:
        assert any(parent in STATUS for parent in kind.__mro__ if parent is not SamError), kind
        assert 400 <= status_of(kind("x")) < 600
    assert status_of(ModelError("x")) == 409 and status_of(CacheError("x")) == 500


@pytest.mark.parametrize("field", ["model", None])
def test_a_domain_error_becomes_a_sentence_and_a_field(
    server: Server, field: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ModelError("the weights of vit_b are damaged; add them again", field)

    monkeypatch.setattr(server.app.serving.predictor.backbone, "encode", fail)
    answer = server.click("l", foreground=[[24, 12, 2]], window="wide")
    assert (answer.status, answer.facts) == (
        409,
        {"detail": "the weights of vit_b are damaged; add them again", "field": field},
    )


def test_the_unforeseen_is_a_numbered_sentence_and_a_log_entry(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(server.app.serving.predictor.backbone, "encode", fail)
    answer = server.click("l", foreground=[[24, 12, 3]], window="wide")
    assert answer.status == 500
    sentence = answer.facts["detail"]
    assert "secret" not in sentence and "error" in sentence
    assert sentence.split()[-1] in caplog.text and "ZeroDivisionError" in caplog.text


def test_after_failures_the_server_is_well(server: Server) -> None:
    assert server.click("l", **CLICK).status == 200


@pytest.mark.parametrize(("header", "name"), [(None, "local"), ("dr.who", "dr.who"), ("", "local")])
def test_the_reader_is_named_in_the_answer(server: Server, header: str | None, name: str) -> None:
    headers = {} if header is None else {"X-Samlabel-Reader": header}
    assert server.send(captured("slicer_sam_2d", "l", slice=12, **CLICK), **headers).facts["reader"] == name


def test_the_reader_is_recorded_with_a_saved_label(server: Server) -> None:
    label = (server.studies / "labels" / "final" / "l.nii.gz").read_bytes()
    params = {"label_info": [{"name": "object", "idx": 1}], "client_id": "user-xyz"}
    reply = server.client.put(
        "/datastore/label?image=l&tag=second",
        files={"label": ("/tmp/x/tmpab.nii.gz", label)},
        data={"params": json.dumps(params)},
        headers={"X-Samlabel-Reader": "dr.who"},
    )
    assert reply.json() == {"image": "l", "label": "l"}
    info = server.client.get("/datastore/label/info?label=l&tag=second").json()
    assert info["reader"] == "dr.who" and info["label_info"] == params["label_info"]
    assert server.client.get("/datastore/label?label=l&tag=second").content == label
    assert server.client.delete("/datastore/label?id=l&tag=second").status_code == 200
    assert not (server.studies / "labels" / "second" / "l.nii.gz").exists()


def test_a_reader_s_name_that_is_none(server: Server) -> None:
    answer = server.send(captured("slicer_sam_2d", "l", **CLICK), **{"X-Samlabel-Reader": "../../x"})
    assert answer.status == 422 and "x-samlabel-reader" in answer.facts["detail"]


def test_other_web_pages_are_kept_out(server: Server) -> None:
    evil, own = {"Origin": "http://evil.example"}, {"Origin": "http://testserver"}
    request = captured("ohif_sam_2d", "l", **CLICK)
    assert server.send(request, **evil).status == 403
    assert server.send(request, Origin="null").status == 403
    assert server.send(request, **own).status == 200
    reply = server.client.get("/info/", headers=evil)
    assert "access-control-allow-origin" not in reply.headers
    preflight = server.client.options("/info/", headers={**evil, "Access-Control-Request-Method": "POST"})
    assert preflight.status_code != 200


def test_pages_that_are_allowed_by_name(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from monailabel.config import settings
    from pydantic import AnyHttpUrl

    from samlabel.server.asgi import mend

    monkeypatch.setattr(settings, "MONAI_LABEL_CORS_ORIGINS", [AnyHttpUrl("http://viewer.example:3000")])
    client = TestClient(mend(FastAPI()))
    allowed, other = {"Origin": "http://viewer.example:3000"}, {"Origin": "http://evil.example"}
    assert client.get("/info/", headers=allowed).headers["access-control-allow-origin"] == allowed["Origin"]
    assert "access-control-allow-origin" not in client.get("/info/", headers=other).headers
    form = {"params": json.dumps(CLICK)}
    assert client.post("/infer/sam_2d?image=l&output=json", data=form, headers=allowed).status_code == 200
    assert client.post("/infer/sam_2d?image=l&output=json", data=form, headers=other).status_code == 403


def test_a_viewer_elsewhere_may_use_every_route(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from monailabel.config import settings

    from samlabel.server.asgi import mend

    conf = {"viewer_origins": "https://ohif.hospital:3000, http://localhost:3001"}
    monkeypatch.setattr(settings, "MONAI_LABEL_CORS_ORIGINS", [])
    monkeypatch.setattr(settings, "MONAI_LABEL_APP_CONF", conf)
    client = TestClient(mend(FastAPI()), raise_server_exceptions=False)
    ours, foreign = {"Origin": "https://ohif.hospital:3000"}, {"Origin": "https://ohif.hospital"}
    asks = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "x-samlabel-reader"}
    for path in ("/infer/sam_2d", "/jobs/x", "/datastore/label", "/activelearning/first", "/info/"):
        preflight = client.options(path, headers={**ours, **asks})
        assert preflight.status_code == 200, preflight.text
        told = preflight.headers
        assert (
            told["access-control-allow-origin"] == ours["Origin"] and "DELETE" in told["access-control-allow-methods"]
        )
        assert "x-samlabel-reader" in told["access-control-allow-headers"].lower() and "origin" in told["vary"].lower()
        refused = client.options(path, headers={**foreign, **asks})
        assert refused.status_code == 400 and "access-control-allow-origin" not in refused.headers
    form = {"params": json.dumps(CLICK)}
    answer = client.post("/infer/sam_2d?image=l&output=json", data=form, headers=ours)
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == ours["Origin"]
    wrong = client.post("/infer/sam_2d?image=l", data={"params": "{"}, headers={**ours, "X-Samlabel-Reader": "../x"})
    assert wrong.status_code == 422 and wrong.headers["access-control-allow-origin"] == ours["Origin"]
    evil = client.post("/infer/sam_2d?image=l&output=json", data=form, headers=foreign)
    assert evil.status_code == 403 and "viewer_origins=https://ohif.hospital" in evil.json()["detail"]
    assert "access-control-allow-origin" not in evil.headers
    everybody = client.get("/info/", headers={"Origin": "null"})
    assert "access-control-allow-origin" not in everybody.headers


def test_only_known_host_names_where_they_are_known(server: Server) -> None:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    from samlabel.access.request_guard import RequestGuard

    app = FastAPI()

    @app.post("/x")
    async def x(body: dict[str, int]) -> dict[str, int]:
        return body

    app.add_middleware(RequestGuard, hosts=("localhost", "127.0.0.1", "::1"), max_bytes=1 << 20)
    client = TestClient(app)
    for host in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
        assert client.post("/x", json={"a": 1}, headers={"Host": host}).status_code == 200
    assert client.post("/x", json={"a": 1}, headers={"Host": "evil.example:8000"}).status_code == 403

    def chunks() -> Any:
        for _ in range(64):
            yield b"x" * (1 << 15)

    reply = client.post("/x", content=chunks(), headers={"Host": "localhost"})
    assert reply.status_code == 413 and "MB" in reply.json()["detail"]


def test_mending_twice_changes_nothing(server: Server) -> None:
    from samlabel.server.asgi import app, mend

    middleware, routes = list(app.user_middleware), list(app.router.routes)
    mend(app)
    assert (app.user_middleware, app.router.routes) == (middleware, routes)


def test_damaged_sessions_are_no_reason_to_stop(server: Server) -> None:
    from samlabel.host.sessions import remove_expired

    sessions = server.app.sessions()
    root = Path(sessions.store_path)
    ids = [f"9b2c0c1e-0000-11ee-8000-00000000000{n}" for n in range(4)]
    for name in (*ids, "not-ours"):
        (root / name).mkdir(parents=True)
    image = root / ids[3] / "x.nii.gz"
    image.touch()
    whole = {
        "name": ids[3],
        "path": "",
        "image": str(image),
        "meta": {},
        "create_ts": 1,
        "last_access_ts": 1000,
        "expiry": 100,
    }
    (root / ids[1] / "meta.info").write_text("{broken")
    (root / ids[2] / "meta.info").write_text(json.dumps({**whole, "image": "/nowhere"}))
    (root / ids[3] / "meta.info").write_text(json.dumps(whole))
    assert remove_expired(sessions, now=1050) == 3
    assert image.exists() and (root / "not-ours").exists()
    assert remove_expired(sessions, now=1200) == 1
    (root / "not-ours").rmdir()
    server.app.cleanup_sessions()


def test_every_host_endpoint_was_mended(server: Server) -> None:
    """A new version of the host with new routes must not slip through unchecked."""
    from samlabel.routes import host as host_routes

    offered = {(route.path, method) for route in host_routes.mended_routes().routes for method in route.methods}
    for module in host_routes.MODULES:
        for route in module.router.routes:
            assert {(route.path, method) for method in route.methods} <= offered


def test_a_host_endpoint_that_needs_the_event_loop_is_not_swallowed(server: Server) -> None:
    import asyncio

    from samlabel.routes.host import off_the_loop

    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="event loop"):
        off_the_loop(waits)()
