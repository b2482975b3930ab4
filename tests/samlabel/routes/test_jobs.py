"""Progress and cancellation over HTTP, on a network that waits until it is told to go on."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.networks.backbone import Features
from tests.samlabel.conftest import Answer, Server, new_serving
from tests.samlabel.region_growing import RegionGrowing

INSIDE = [24, 12, 12]

# Nothing is judged by it: it ends a test that hangs.
PATIENCE_S = 120.0


class PatientNetwork(RegionGrowing):
    """Encodes only as often as it is allowed to, and says when it waits."""

    def __init__(self) -> None:
        super().__init__(f"patient-{uuid.uuid4()}")
        self._allowed = threading.Semaphore(0)
        self._waits = threading.Event()

    def encode(self, stack: np.ndarray) -> Features:
        if not self._allowed.acquire(blocking=False):
            self._waits.set()
            assert self._allowed.acquire(timeout=PATIENCE_S)
        return super().encode(stack)

    def until_it_waits(self) -> None:
        assert self._waits.wait(PATIENCE_S)

    def go_on(self, encodes: int = 1) -> None:
        """Encode so many slices more; returns when the next one has begun."""
        for _ in range(encodes):
            self._waits.clear()
            self._allowed.release()
            self.until_it_waits()

    def finish(self) -> None:
        self._allowed.release(10**6)


@pytest.fixture
def network(server: Server) -> Iterator[PatientNetwork]:
    patient = PatientNetwork()
    server.app.serving.close()
    server.app.serving = new_serving(patient, server.home)
    yield patient
    patient.finish()
    server.restart()


@pytest.fixture
def sent(server: Server, network: PatientNetwork) -> Iterator[Callable[..., Future[Answer]]]:
    """Sends a request that is not waited for."""
    with ThreadPoolExecutor(4) as pool:

        def send(model: str = "sam_3d", reader: str = "", **params: Any) -> Future[Answer]:
            asked = {"foreground": [INSIDE], "zoom": False, **params}
            headers = {"x-samlabel-reader": reader} if reader else {}
            return pool.submit(
                server.send,
                {"method": "POST", "path": f"/infer/{model}", "query": {"image": "l"}, "headers": {}, "params": asked},
                **headers,
            )

        yield send
        network.finish()


def facts(server: Server, job: str, **headers: str) -> dict[str, Any]:
    reply = server.client.get(f"/jobs/{job}", headers=headers)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def test_progress_moves_slice_by_slice_to_the_end(server: Server, network: PatientNetwork, sent: Callable) -> None:
    job = str(uuid.uuid4())
    asked = sent(job=job)
    network.until_it_waits()
    told = facts(server, job)
    assert {**told, "seconds": 0} == {
        "id": job,
        "model": "sam_3d",
        "state": "running",
        "done": 0,
        "total": 24,
        "seconds": 0,
    }
    done = []
    for _ in range(3):
        network.go_on()
        done.append(facts(server, job)["done"])
    assert done == [1, 2, 3] and not asked.done()
    network.finish()
    assert asked.result().status == 200 and asked.result().facts["partial"] is False
    told = facts(server, job)
    assert told["state"] == "done" and told["done"] == told["total"] > 3


def test_cancelling_stops_before_the_next_slice(server: Server, network: PatientNetwork, sent: Callable) -> None:
    job = str(uuid.uuid4())
    asked = sent(job=job)
    network.until_it_waits()
    network.go_on(2)
    assert server.client.delete(f"/jobs/{job}").json()["state"] == "running"  # the third slice is under way
    network.finish()
    answer = asked.result()
    assert answer.status == 409 and answer.facts["field"] == "job"
    assert "cancelled after 3 slices" in answer.facts["detail"] and network.encodes == 3
    told = facts(server, job)
    assert (told["state"], told["done"]) == ("cancelled", 3)


def test_what_was_found_until_then_is_kept_where_it_is_wanted(
    server: Server, network: PatientNetwork, sent: Callable, tmp_path: Path
) -> None:
    job = str(uuid.uuid4())
    asked = sent(job=job, partial=True)
    network.until_it_waits()
    network.go_on(2)
    server.client.delete(f"/jobs/{job}")
    network.finish()
    answer = asked.result()
    assert answer.status == 200 and answer.facts["partial"] is True
    assert any("called off before it was done" in warning for warning in answer.facts["warnings"])
    assert answer.facts["slices"] == [10, 12] and facts(server, job)["state"] == "cancelled"
    found = np.flatnonzero(answer.mask(tmp_path).array.any(axis=(0, 1)))
    assert found.tolist() == [10, 11, 12]


def test_a_volume_of_proposals_is_kept_in_part(server: Server, network: PatientNetwork, sent: Callable) -> None:
    job = str(uuid.uuid4())
    asked = sent("sam_auto", job=job, partial="true", mode="propose", extent="volume")
    network.until_it_waits()
    network.go_on(2)
    told = facts(server, job)
    assert told["total"] == 24 and 0 < told["done"] < 24
    server.client.delete(f"/jobs/{job}")
    network.finish()
    answer = asked.result()
    assert answer.status == 200 and answer.facts["partial"] is True and answer.facts["scores"]


def test_before_there_is_anything_a_part_is_refused_too(
    server: Server, network: PatientNetwork, sent: Callable
) -> None:
    """Another reader's volume waits in the queue behind the one that computes."""
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    asked = sent(job=first)
    network.until_it_waits()
    waiting = sent(job=second, partial=True, foreground=[[24, 12, 3]])
    while server.client.get(f"/jobs/{second}").status_code == 404:
        assert not waiting.done()
    assert facts(server, second)["state"] == "queued"
    server.client.delete(f"/jobs/{second}")
    network.finish()
    assert "before there was a part to keep" in waiting.result().facts["detail"]
    assert waiting.result().status == 409 and asked.result().status == 200


def test_a_click_is_a_job_as_well(server: Server, network: PatientNetwork, sent: Callable) -> None:
    job = str(uuid.uuid4())
    asked = sent("sam_2d", job=job)
    network.until_it_waits()
    assert facts(server, job)["total"] == 1
    server.client.delete(f"/jobs/{job}")
    assert asked.result().status == 409  # without waiting for the encode
    assert facts(server, job)["state"] == "cancelled"


def test_a_job_is_its_reader_s_alone(server: Server, network: PatientNetwork, sent: Callable) -> None:
    job, anna, ben = str(uuid.uuid4()), {"x-samlabel-reader": "anna"}, {"x-samlabel-reader": "ben"}
    asked = sent(reader="anna", job=job)
    network.until_it_waits()
    assert server.client.get(f"/jobs/{job}", headers=ben).status_code == 404
    assert server.client.delete(f"/jobs/{job}", headers=ben).status_code == 404
    assert facts(server, job.upper(), **anna)["state"] == "running"
    taken = sent(reader="ben", job=job).result()
    assert taken.status == 409 and "is taken" in taken.facts["detail"]
    network.finish()
    assert asked.result().status == 200


def test_a_request_that_fails_is_a_job_that_failed(server: Server) -> None:
    job = str(uuid.uuid4())
    params = {"job": job, "foreground": [[24, 12, 99]]}
    request = {"method": "POST", "path": "/infer/sam_3d", "query": {"image": "l"}, "headers": {}, "params": params}
    assert server.send(request).status == 422
    assert facts(server, job)["state"] == "failed"


@pytest.mark.parametrize(
    ("params", "word"),
    [({"job": "seven"}, "job must be a UUID"), ({"job": 7}, "job must be a UUID"), ({"partial": "maybe"}, "partial")],
)
def test_what_is_no_job_is_refused(server: Server, params: dict[str, Any], word: str) -> None:
    answer = server.click("l", foreground=[INSIDE], **params)
    assert answer.status == 422 and word in answer.facts["detail"]


def test_unknown_jobs(server: Server) -> None:
    for ask in (server.client.get, server.client.delete):
        reply = ask(f"/jobs/{uuid.uuid4()}")
        assert reply.status_code == 404 and "there is no job" in reply.json()["detail"]
        assert ask("/jobs/seven").status_code == 422


def test_hanging_up_still_ends_the_work(server: Server, network: PatientNetwork) -> None:
    """The application is called as a web server calls it, with a client that disconnects in the middle."""
    import anyio

    from samlabel.server.asgi import app

    job, boundary = str(uuid.uuid4()), "x"
    params = json.dumps({"foreground": [INSIDE], "zoom": False, "job": job, "partial": True})
    form = f'--x\r\nContent-Disposition: form-data; name="params"\r\n\r\n{params}'
    hung_up, noticed = threading.Event(), threading.Event()
    statuses: list[int] = []

    async def talk() -> None:
        messages = iter([{"type": "http.request", "body": f"{form}\r\n--x--\r\n".encode(), "more_body": False}])

        async def receive() -> dict[str, Any]:
            message = next(messages, None)
            if message is None:
                await anyio.to_thread.run_sync(hung_up.wait)
                asyncio.get_running_loop().call_soon(noticed.set)  # once the caller has gone on to its next pause
            return message or {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            statuses.extend([message["status"]] if "status" in message else [])

        headers = [(b"content-type", f"multipart/form-data; boundary={boundary}".encode()), (b"host", b"testserver")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/infer/sam_3d",
            "raw_path": b"/infer/sam_3d",
            "root_path": "",
            "query_string": b"image=l",
            "headers": headers,
            "scheme": "http",
            "http_version": "1.1",
            "server": ("testserver", 80),
            "client": ("testclient", 1),
        }
        await app(scope, receive, send)

    with ThreadPoolExecutor(1) as pool:
        conversation = pool.submit(anyio.run, talk)
        network.until_it_waits()
        network.go_on(2)
        hung_up.set()
        assert noticed.wait(PATIENCE_S)
        network.finish()
        conversation.result()
    told = facts(server, job)
    assert statuses == [499] and (told["state"], told["done"]) == ("cancelled", 3)
