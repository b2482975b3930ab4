"""The host's own routes, mended: what it stumbled over, left behind or did not say."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from monailabel.utils.async_tasks import utils

from tests.samlabel.conftest import Server


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files lie in this test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder


@pytest.mark.parametrize("nothing", ["null", "", "{}"])
def test_no_facts_are_no_fault(server: Server, nothing: str) -> None:
    """`null` was answered with 500: the host wrote into it."""
    picture = (server.studies / "l.nii.gz").read_bytes()
    sent = server.client.put(
        "/datastore/image?image=twin", files={"file": ("l.nii.gz", picture)}, data={"params": nothing}
    )
    assert (sent.status_code, sent.json()) == (200, {"image": "twin"})
    told = server.client.put("/datastore/image/info?image=twin", data={"info": nothing, "unused": "1"})
    assert told.status_code == 200 and told.json()["name"] == "twin.nii.gz"
    assert server.client.delete("/datastore/image?id=twin").status_code == 200


@pytest.mark.parametrize("number", ["1e400", "-Infinity", "NaN"])
def test_numbers_that_no_answer_can_hold_are_not_recorded(server: Server, number: str) -> None:
    """Once recorded, every answer that told of the image was 500 from then on."""
    refused = server.client.put("/datastore/image/info?image=l", data={"info": f'{{"a": [{number}]}}'})
    assert refused.status_code == 422 and refused.json()["field"] == "a"
    assert server.client.get("/datastore/image/info?image=l").status_code == 200
    body = {"content": f'{{"a": {number}}}', "headers": {"content-type": "application/json"}}
    for address in ("/train/sam", "/scoring/sam_uncertainty", "/batch/infer/sam_2d", "/activelearning/random"):
        assert server.client.post(address, **body).status_code == 422, address


def test_a_dataset_is_sent_and_not_kept(server: Server, temporary: Path) -> None:
    """Every one that was asked for stayed in the folder for temporary files."""
    sent = server.client.get("/datastore/dataset")
    assert sent.status_code == 200
    assert "image/l.nii.gz" in zipfile.ZipFile(io.BytesIO(sent.content)).namelist()
    assert list(temporary.iterdir()) == []
    refused = server.client.get("/datastore/dataset?limit_cases=0")
    assert refused.status_code == 422 and refused.json()["field"] == "limit_cases"


def test_a_file_is_called_what_the_client_calls_it(server: Server) -> None:
    """The sentence told the name that the host had given it."""
    for address, part in (("/datastore/image?image=x", "file"), ("/datastore/label?image=l", "label")):
        refused = server.client.put(address, files={part: ("notes.txt", b"hello")})
        assert refused.status_code == 422 and "got 'notes.txt'" in refused.json()["detail"], refused.text


def test_the_session_is_not_called_what_the_host_calls_its_folder(server: Server) -> None:
    parts = [("files", (name, b"no image")) for name in ("a.dcm", "b.dcm")]
    session = server.client.put("/session/", files=parts).json()["session_id"]
    refused = server.client.post(f"/infer/sam_2d?session_id={session}", data={"params": '{"foreground": [[1, 1, 1]]}'})
    assert refused.status_code == 422 and "the session holds no DICOM series" in refused.json()["detail"]
    several = server.client.get(f"/session/{session}?image=true")
    assert several.status_code == 404 and "several files" in several.json()["detail"]
    assert server.client.delete(f"/session/{session}").status_code == 200


def test_a_second_task_of_a_kind_is_refused_in_words(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(utils.background_processes, "scoring", {"one": object()})
    monkeypatch.setitem(utils.background_tasks, "scoring", [{"id": "one", "status": "RUNNING"}])
    for address in ("/scoring/sam_uncertainty", "/scoring/"):
        refused = server.client.post(address, json={})
        assert refused.status_code == 429 and "is running already" in refused.json()["detail"]


def test_what_is_switched_off_says_why_and_what_is_left(server: Server) -> None:
    refused = server.client.put("/model/sam_2d")
    assert refused.status_code == 405 and refused.headers["allow"] == "GET"
    assert "samlabel models" in refused.json()["detail"]
    assert server.client.post("/reload").status_code == 405
