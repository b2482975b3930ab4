"""The way to the archive: what is passed on, what is refused, what happens when nobody answers."""

import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
import uvicorn
from fastapi import FastAPI, HTTPException
from monailabel.config import settings

from samlabel.access import error_replies
from samlabel.access.callers import USER
from samlabel.errors import ArchiveError
from samlabel.routes import proxy
from samlabel.store.archive_client import archive_client, archive_errors
from tests.processes import HANG_S, wait_until


class Archive(BaseHTTPRequestHandler):
    """An archive that records what it is asked and answers as told."""

    asked: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []
    status = 200
    held: threading.Event | None = None  # until then it does not answer
    protocol_version = "HTTP/1.1"  # connections are kept
    cut_off = 0  # so many requests find that their connection has just ended

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        if type(self).cut_off:
            type(self).cut_off -= 1
            self.close_connection = True
            return
        if self.held is not None:
            assert self.held.wait(HANG_S)
        self.send_response(self.status)
        self.send_header("content-type", "application/dicom+json")
        self.send_header("content-length", "2")
        self.send_header("www-authenticate", "Basic")
        self.end_headers()
        self.wfile.write(b"[]")

    do_POST = do_GET  # noqa: N815 - the library looks for this name

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Archive]]:
    class Fresh(Archive):
        asked: ClassVar[list[tuple[str, str, dict[str, str], bytes]]] = []

    server = ThreadingHTTPServer(("127.0.0.1", 0), Fresh)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(settings, "MONAI_LABEL_STUDIES", f"http://127.0.0.1:{server.server_port}/dicom-web")
    yield Fresh
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def app() -> FastAPI:
    """The proxy, and a route that shows whether the event loop is free."""
    app = FastAPI()
    app.include_router(proxy.router)
    error_replies.install(app)

    @app.get("/free")
    async def free() -> str:
        return "yes"

    return app


@pytest.fixture(scope="module")
def port(app: FastAPI) -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the server listens", every_s=0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def ask(
    port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str
) -> tuple[int, bytes, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=HANG_S)
    connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content, dict(answer.getheaders())


def test_query_and_accept_reach_the_archive_and_nothing_private_does(port: int, archive: type[Archive]) -> None:
    query = "limit=101&includefield=00081030,00080060&PatientName=*M%C3%BCller*"
    path = f"/proxy/dicom/qido/studies?{query}"
    status, content, headers = ask(port, path, accept="application/dicom+json", authorization="Bearer x", cookie="a=b")
    assert (status, content) == (200, b"[]")
    method, asked, sent, _ = archive.asked[0]
    assert (method, asked) == ("GET", f"/dicom-web/studies?{query}")
    assert sent["accept"] == "application/dicom+json" and sent["accept-encoding"] == "identity"
    assert "authorization" not in sent and "cookie" not in sent
    assert headers["content-type"] == "application/dicom+json" and "www-authenticate" not in headers


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("wado/studies/1.2/series/3.4/instances/5.6/frames/1,2", "studies/1.2/series/3.4/instances/5.6/frames/1,2"),
        ("qido/studies/1.2/metadata", "studies/1.2/metadata"),
        ("studies/1.2", "studies/1.2"),
        ("wado/studies/1.2/bulkdata/7fe00010", "studies/1.2/bulkdata/7fe00010"),
    ],
)
def test_addresses(port: int, archive: type[Archive], ours: str, theirs: str) -> None:
    assert ask(port, f"/proxy/dicom/{ours}")[0] == 200
    assert archive.asked[0][1] == f"/dicom-web/{theirs}"


def test_prefixes_of_the_settings_are_used(port: int, archive: type[Archive], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MONAI_LABEL_QIDO_PREFIX", "rs/qido")
    ask(port, "/proxy/dicom/qido/studies")
    assert archive.asked[0][1] == "/dicom-web/rs/qido/studies"


@pytest.mark.parametrize(
    "path",
    [
        "../system",
        "..%2Fsystem",
        "wado/..%2F..%2Fsystem",
        "wado/studies/../../system",
        "studies/..",
        "studies/%2e%2e/system",
        "studies%5C..%5Csystem",
        "studies/..%252Fsystem",
        "studies\\..\\system",
        "system",
        "wado/tools/execute-script",
        "",
        "studies//1.2",
        "studies/1.2/",
        "studies/.hidden",
        "studies/1.2%00",
        "studies/1.2;x=y",
        "wado/http://127.0.0.1/x",
        "@127.0.0.1/studies",
        "studies%3Fa=b",
    ],
)
def test_nothing_leaves_the_root(port: int, archive: type[Archive], path: str) -> None:
    status, content, _ = ask(port, f"/proxy/dicom/{path}", authorization="Basic x")
    assert 400 <= status < 500 and content
    assert archive.asked == []


def test_the_login_is_the_settings_own(port: int, archive: type[Archive], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_USERNAME", "reader")
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_PASSWORD", "secret")
    ask(port, "/proxy/dicom/qido/studies")
    assert archive.asked[0][2]["authorization"] == "Basic cmVhZGVyOnNlY3JldA=="


def test_callers_who_are_not_logged_in_do_not_get_the_login(app: FastAPI, port: int, archive: type[Archive]) -> None:
    """The host's own check decides; it answers 401 before the archive hears of it."""

    def nobody() -> None:
        raise HTTPException(401, "Could not validate credentials")

    app.dependency_overrides[USER.dependency] = nobody
    try:
        assert ask(port, "/proxy/dicom/qido/studies")[0] == 401
    finally:
        app.dependency_overrides.clear()
    assert archive.asked == []


def test_uploads_pass_to_studies_only(port: int, archive: type[Archive]) -> None:
    body = b"x" * 300_000
    assert ask(port, "/proxy/dicom/stow/studies", "POST", body, content_type="multipart/related")[0] == 200
    assert archive.asked[0][0] == "POST" and len(archive.asked[0][3]) == len(body)
    assert ask(port, "/proxy/dicom/stow/studies/1.2/series/3", "POST", b"")[0] == 403
    assert ask(port, "/proxy/dicom/studies", "DELETE")[0] == 405
    assert len(archive.asked) == 1


@pytest.mark.parametrize(("theirs", "ours"), [(404, 404), (500, 500), (401, 502), (403, 502), (302, 502)])
def test_answers_of_the_archive(port: int, archive: type[Archive], theirs: int, ours: int) -> None:
    archive.status = theirs
    status, content, headers = ask(port, "/proxy/dicom/qido/studies")
    assert status == ours and "www-authenticate" not in headers
    assert theirs not in (401, 403) or b"MONAI_LABEL_DICOMWEB_USERNAME" in content


def test_an_archive_that_is_down_is_said_and_found_again(
    port: int, archive: type[Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    up = settings.MONAI_LABEL_STUDIES
    monkeypatch.setattr(settings, "MONAI_LABEL_STUDIES", "http://127.0.0.1:9/dicom-web")
    status, content, _ = ask(port, "/proxy/dicom/qido/studies")
    assert status == 502 and b"cannot be reached" in content
    monkeypatch.setattr(settings, "MONAI_LABEL_STUDIES", up)
    assert ask(port, "/proxy/dicom/qido/studies")[0] == 200


def test_a_connection_that_was_just_ended_costs_no_answer(port: int, archive: type[Archive]) -> None:
    assert ask(port, "/proxy/dicom/studies")[0] == 200
    archive.cut_off = 1
    assert ask(port, "/proxy/dicom/studies?limit=1")[0] == 200
    assert [path for _, path, _, _ in archive.asked][1:] == ["/dicom-web/studies?limit=1"] * 2
    archive.cut_off = 2
    assert ask(port, "/proxy/dicom/studies")[0] == 502


def test_our_own_questions_are_asked_again_too(archive: type[Archive]) -> None:
    client = archive_client(settings.MONAI_LABEL_STUDIES)
    assert client.search_for_studies() == []
    archive.cut_off = 1
    assert client.search_for_studies() == []
    archive.cut_off = 2
    with pytest.raises(ArchiveError), archive_errors():
        client.search_for_studies()


def test_a_folder_of_images_has_no_archive(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "MONAI_LABEL_STUDIES", "/some/folder")
    status, content, _ = ask(port, "/proxy/dicom/qido/studies")
    assert status == 404 and b"no DICOM archive" in content and b"/some/folder" not in content


def test_a_slow_archive_holds_up_nobody_else(port: int, archive: type[Archive]) -> None:
    archive.held = threading.Event()
    with ThreadPoolExecutor(8) as readers:
        waiting = [readers.submit(ask, port, "/proxy/dicom/qido/studies") for _ in range(8)]
        try:
            wait_until(lambda: archive.asked, "the archive is asked", every_s=0.01)
            assert ask(port, "/free")[0] == 200
            assert not any(one.done() for one in waiting)
        finally:
            archive.held.set()
        assert {one.result()[0] for one in waiting} == {200}
