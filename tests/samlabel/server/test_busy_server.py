"""While one click computes, everybody else is answered."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from monailabel.config import settings
from monailabel.interfaces.utils.app import app_instance

from samlabel.dicom.demo import DEMO, demo_dicom
from samlabel.dicom_store.process import StoreProcess
from tests.samlabel.conftest import Server, captured

ENCODE_SECONDS = 3.0
PATIENCE_S = 0.2

# Other work on the machine may hold up a round; a server that waits for the encode is late in every one.
ROUNDS = 3


@pytest.fixture
def address(server: Server) -> Iterator[str]:
    """The app on a real port, with real threads."""
    from samlabel.server.asgi import app

    web = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=web.run)
    thread.start()
    while not web.started:
        time.sleep(0.01)
    port = web.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    web.should_exit = True
    thread.join()


def seconds(address: str) -> float:
    started = time.perf_counter()
    with urllib.request.urlopen(address, timeout=10) as reply:
        assert reply.status == 200
        reply.read()
    return time.perf_counter() - started


def answered_in_time(server: Server, address: str, paths: tuple[str, ...], request: dict[str, Any]) -> None:
    for path in paths:
        seconds(address + path)  # first times pay for imports
    slowest = []
    for _ in range(ROUNDS):
        slowest.append(slowest_answers(server, address, paths, request))
        if max(slowest[-1].values()) < PATIENCE_S:
            return
    pytest.fail(f"in every round something was late: {slowest}")


@pytest.mark.slow
def test_info_and_files_while_a_slow_encode_runs(server: Server, address: str) -> None:
    request = captured("ohif_sam_2d", "l", foreground=[[24, 12, 13]], zoom=False)
    answered_in_time(server, address, ("/info/", "/datastore/?output=stats", "/datastore/image?image=l"), request)


@pytest.mark.slow
def test_dicom_frames_while_a_slow_encode_runs(
    server: Server, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same on the embedded store: the viewer goes on scrolling through the case that is encoded."""
    series = DEMO[0]
    monkeypatch.setattr(settings, "MONAI_LABEL_DICOMWEB_CACHE_PATH", str(tmp_path / "cache"))
    with StoreProcess(demo_dicom(tmp_path / "files", DEMO[:1])) as archive:
        monkeypatch.setattr(settings, "MONAI_LABEL_STUDIES", archive.url)
        of_archive = replace(server, app=app_instance())  # the host keeps one app per studies
        instance = f"studies/{series.uid('study')}/series/{series.uid('series')}/instances/{series.uid('instance', 20)}"
        paths = ("/info/", f"/proxy/dicom/wado/{instance}/frames/1")
        request = captured("ohif_sam_2d", series.uid("series"), foreground=[[100, 80, 20]], zoom=False)
        answered_in_time(of_archive, address, paths, request)
        of_archive.app.datastore().close()
    # The store is gone, which is said; the proxy also lets go of its connection, which would outlive this test.
    with pytest.raises(urllib.error.HTTPError, match="502"):
        seconds(address + paths[1])


def slowest_answers(server: Server, address: str, paths: tuple[str, ...], request: dict[str, Any]) -> dict[str, float]:
    """The longest wait for each path while one click encodes for three seconds."""
    network = server.restart()
    network.encode_seconds = ENCODE_SECONDS
    waits: dict[str, list[float]] = {path: [] for path in paths}
    with ThreadPoolExecutor(1) as reader:
        click = reader.submit(server.send, request)
        while not network.encodes:
            assert not click.done(), click.result()
            time.sleep(0.01)
        while not click.done() and len(waits["/info/"]) < 20:
            for path, times in waits.items():
                times.append(seconds(address + path))
            time.sleep(0.05)
        assert not click.done(), "the encode was over before twenty answers were in"
        assert click.result().status == 200
    return {path: max(times) for path, times in waits.items()}


def test_a_crowd_of_clicks_leaves_threads_for_the_others(server: Server, address: str) -> None:
    """More waiting clicks than the web framework has threads for everybody."""
    network = server.restart()
    seconds(address + "/info/")
    network.encode_seconds = 2.0
    request = captured("ohif_sam_2d", "l", foreground=[[24, 12, 15]], zoom=False)
    with ThreadPoolExecutor(60) as crowd:
        clicks = [crowd.submit(server.send, request) for _ in range(60)]
        while not network.encodes:
            time.sleep(0.01)
        times = []
        while not any(click.done() for click in clicks):
            times.append(seconds(address + "/info/"))
    assert {click.result().status for click in clicks} == {200}
    assert network.encodes == 1
    # During the last one sixty equal clicks were answered at once, in this very process.
    waits = times[:-1]
    assert len(waits) >= 3 and max(waits) < 1.5, times


def test_clicks_go_before_proposals(server: Server) -> None:
    network = server.restart()
    network.encode_seconds = 0.2
    proposal = threading.Thread(target=lambda: server.send(captured("slicer_auto", "l", slice=5)))
    proposal.start()
    while not network.encodes:
        time.sleep(0.01)
    started = time.perf_counter()
    answer = server.send(captured("slicer_sam_2d", "l", foreground=[[24, 12, 14]], slice=14, zoom=False))
    assert answer.status == 200
    assert time.perf_counter() - started < 2.0
    proposal.join()
