"""The whole corpus of hostile files against a real server: refused soon, with little memory, which it gives back."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.accept.result_rows import ResultRows
from tests.accept.server import ServerProcess, two_images
from tests.hostile.corpus import corpus
from tests.hostile.file import HostileFile

pytestmark = [pytest.mark.accept, pytest.mark.timeout(3600)]

HOSTILE = ResultRows("hostile", "pytest -m accept tests/accept/test_hostile.py")

FILES = 200
SECONDS, MOST_MB, BACK_MB, REST_S = 2.0, 200, 150, 30
CLICK = {"params": json.dumps({"foreground": [[4, 4, 4]]})}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """With two small images, idle, and its readers loaded."""
    process = ServerProcess(two_images(tmp_path / "studies"), tmp_path / "home")
    process.start()
    process.click("a", {"foreground": [[4, 4, 4]]})
    process.have_readers_loaded(tmp_path)
    yield process
    process.stop()


def sent(client: httpx.Client, file: HostileFile) -> Iterator[tuple[str, httpx.Response, float]]:
    """A file in every way that a client can send one: the way, the answer, and how long it took."""

    def ask(method: str, address: str, part: str, data: dict[str, str]) -> tuple[str, httpx.Response, float]:
        begun = time.perf_counter()
        reply = client.request(method, address, files={part: (file.file_name, file.content)}, data=data)
        return f"{method} {address.split('?')[0]}", reply, time.perf_counter() - begun

    yield ask("PUT", "/datastore/image?image=hostile", "file", {})
    client.delete("/datastore/image?id=hostile")
    yield ask("PUT", "/datastore/label?image=a&tag=hostile", "label", {})
    yield ask("POST", "/infer/sam_2d?output=json", "file", CLICK)
    yield ask("POST", "/infer/sam_2d?output=json&image=a", "label", CLICK)
    kept = ask("PUT", "/session/", "files", {})
    yield kept
    if kept[1].status_code == httpx.codes.OK:
        session = kept[1].json()["session_id"]
        begun = time.perf_counter()
        reply = client.post(f"/infer/sam_2d?output=json&session_id={session}", data=CLICK)
        yield "POST /infer/sam_2d of a session", reply, time.perf_counter() - begun
        client.delete(f"/session/{session}")


def test_hostile_files(server: ServerProcess) -> None:
    started, idle = time.time(), server.memory_mb()
    counts, classes, highest = Counter[str](), Counter[str](), (0, "")
    slowest, accepted = (0.0, ""), list[str]()
    for file in corpus():
        server.forget_highest()
        try:
            for way, reply, seconds in sent(server.client, file):
                classes[f"{reply.status_code // 100}xx"] += 1
                counts["paths"] += any(place in reply.text for place in server.places())
                counts["wordless"] += reply.status_code >= 400 and len(str(reply.json().get("detail"))) < 10
                slowest = max(slowest, (round(seconds, 2), f"{file.file_name}, {way}"))
                if reply.status_code == 200 and file.must_fail and way != "PUT /session/":
                    accepted.append(f"{file.file_name}, {way}")
        except httpx.TransportError:
            counts["resets"] += 1
        highest = max(highest, (server.memory_mb("VmHWM") - idle, file.file_name))
    time.sleep(REST_S)
    left = server.memory_mb()
    row = {"what": "hostile files", "files": len(corpus()), "requests": classes.total(), "answers": dict(classes)}
    row |= {"answers_5xx": classes["5xx"], "connections_reset": counts["resets"], "accepted": accepted}
    row |= {"paths_in_answers": counts["paths"], "refusals_without_sentence": counts["wordless"]}
    row |= {"slowest_s": slowest[0], "slowest": slowest[1], "most_mb_above_idle": highest[0], "most": highest[1]}
    HOSTILE.add(row | {"mb_idle": idle, "mb_after_30s": left}, started)
    assert len(corpus()) >= FILES and (classes["5xx"], +counts, accepted) == (0, Counter(), [])
    assert slowest[0] < SECONDS and highest[0] < MOST_MB and left - idle < BACK_MB
