"""No answer names a folder of the server; 3D Slicer's `path` stays and holds the file's name."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from samlabel.host.places import without_places
from tests.samlabel.conftest import Server

READ = (
    "/info/",
    "/datastore/",
    "/datastore/?output=all",
    "/datastore/?output=train",
    "/datastore/image/info?image=l",
    "/datastore/label/info?label=l&tag=final",
    "/model/",
    "/train/",
    "/batch/infer/",
    "/scoring/",
    "/labels/",
    "/labels/l",
    "/leases/",
    "/adapters/",
    "/jobs/",
    "/ready",
)


def test_a_path_of_this_machine_becomes_a_name(tmp_path: Path) -> None:
    inside = tmp_path / "a" / "scan.nii.gz"
    assert without_places({"path": str(inside), "more": [str(Path.home() / "x.txt")], "n": 1}) == {
        "path": "scan.nii.gz",
        "more": ["x.txt"],
        "n": 1,
    }
    told = without_places(f"reading {inside} now")
    assert told.endswith("scan.nii.gz now") and str(tmp_path) not in told
    log = deque(
        [f'App from: {tmp_path}; File "{__file__}", line 7'], maxlen=20
    )  # as the host keeps a task's last lines
    (line,) = without_places({"details": log})["details"]
    assert str(tmp_path) not in line and str(Path(__file__).parents[3]) not in line and "line 7" in line
    for kept in ("/infer/sam_2d", "http://pacs/dicom-web", "a/b", "/", ""):
        assert without_places(kept) == kept
    assert without_places(inside) is inside  # no JSON


def test_an_answer_that_the_host_still_writes_into_is_answered() -> None:
    """As a task's status, to which the host adds lines while it is being sent."""

    class Growing(str):
        """A text that adds to its dictionary and list while it is looked at."""

        def startswith(self, *about: Any) -> bool:
            status[f"line {len(status)}"] = "more"
            lines.append("more")
            return super().startswith(*about)

    lines: list[str] = [Growing("first")]
    status: dict[str, Any] = {"status": Growing("RUNNING"), "details": lines}
    told = without_places(status)
    assert set(told) == {"status", "details"} < set(status) and told["details"][0] == "first"


def test_no_answer_holds_a_path_of_the_server(server: Server) -> None:
    root = str(server.studies.parent)
    bodies = {path: server.client.get(path).text for path in READ}
    with (server.studies / "l.nii.gz").open("rb") as image:
        made = server.client.put("/session/", files={"files": ("scan.nii.gz", image)})
    assert made.status_code == 200, made.text
    session = made.json()["session_id"]
    bodies |= {"PUT /session": made.text, "GET /session": server.client.get(f"/session/{session}").text}
    bodies["DELETE /session"] = server.client.delete(f"/session/{session}").text
    assert not [path for path, body in bodies.items() if root in body or "/tmp/" in body]
    assert json.loads(bodies["GET /session"])["image"] == "scan.nii.gz"


def test_the_next_case_names_its_file(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = server.app.datastore()
    store.add_image("waiting", str(server.studies / "l.nii.gz"), {})
    try:
        answer = server.client.post("/activelearning/first", json={})
        assert answer.status_code == 200 and answer.json()["path"] == "waiting.nii.gz"
        assert str(server.studies) not in answer.text
    finally:
        store.leases.end("waiting", "nobody")
        store.remove_image("waiting")


def test_what_is_recorded_is_answered_and_of_nothing_a_refusal(server: Server) -> None:
    """`PUT /datastore/image/info` was answered `null`, whatever became of it."""
    put = server.client.put("/datastore/image/info?image=l", data={"info": '{"colour": "red"}'})
    assert put.status_code == 200 and put.json()["colour"] == "red"
    label = server.client.put("/datastore/label/info?label=l&tag=final", data={"info": '{"seen": "yes"}'})
    assert label.status_code == 200 and label.json()["seen"] == "yes"
    for path in ("/datastore/image/info?image=nobody", "/datastore/label/info?label=nobody&tag=final"):
        for answer in (server.client.get(path), server.client.put(path, data={"info": "{}"})):
            assert answer.status_code == 404 and "nobody" in answer.json()["detail"]
