"""Uploads, good and bad, and the process that takes them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from dicomweb_client import DICOMwebClient
from fastapi import FastAPI
from pydicom import Dataset, dcmread
from pydicom.filebase import DicomBytesIO

from samlabel.dicom.demo import SMALL
from samlabel.dicom_store.index import _files
from samlabel.dicom_store.process import StoreProcess
from samlabel.dicom_store.service import create_app
from samlabel.errors import ArchiveError
from tests.processes import running, wait_until

CT, MR, _ = SMALL
TYPE = 'multipart/related; type="application/dicom"; boundary=XYZ'


def message(*parts: bytes) -> bytes:
    return b"".join(b"--XYZ\r\nContent-Type: application/dicom\r\n\r\n" + part + b"\r\n" for part in parts) + b"--XYZ--"


def encoded(dataset: Dataset) -> bytes:
    buffer = DicomBytesIO()
    dataset.save_as(buffer, write_like_original=False)
    return buffer.getvalue()


@pytest.fixture
def fresh(master: Path, request: pytest.FixtureRequest) -> Dataset:
    """A slice with UIDs of its own."""
    dataset = dcmread(master / "SMALL-CT" / "0001.dcm")
    number = abs(hash(request.node.name)) % 10**12
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"1.2.{number}", f"1.2.{number}.1"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"1.2.{number}.1.1"
    return dataset


def test_an_upload_is_stored_found_and_idempotent(store: StoreProcess, web: httpx.Client, fresh: Dataset) -> None:
    for _ in range(2):
        answer = web.post("/studies", content=message(encoded(fresh)), headers={"content-type": TYPE})
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/dicom+json"
        told = answer.json()
        address = told["00081199"]["Value"][0]["00081190"]["Value"][0]
        assert f"/series/{fresh.SeriesInstanceUID}/instances/" in address
        assert httpx.get(address + "/metadata").json()[0]["00080018"]["Value"] == [fresh.SOPInstanceUID]
    assert len(web.get(f"/studies/{fresh.StudyInstanceUID}/instances").json()) == 1
    kept = store.folder / "stored" / fresh.StudyInstanceUID / fresh.SeriesInstanceUID
    assert [path.name for path in kept.iterdir()] == [f"{fresh.SOPInstanceUID}.dcm"]


def test_a_file_that_was_deleted_a_moment_ago_is_stored_again(
    store: StoreProcess, web: httpx.Client, fresh: Dataset
) -> None:
    study = store.folder / "stored" / fresh.StudyInstanceUID
    for _ in range(3):
        answer = web.post("/studies", content=message(encoded(fresh)), headers={"content-type": TYPE})
        assert answer.status_code == 200, answer.text
        assert len(list(study.rglob("*.dcm"))) == 1
        assert len(web.get(f"/studies/{fresh.StudyInstanceUID}/instances").json()) == 1
        shutil.rmtree(study)  # the index looks at the folder once a second: it has not seen this yet
        assert web.get(f"/studies/{fresh.StudyInstanceUID}/instances").json() == []


def test_what_vanishes_during_a_look_at_the_folder_is_left_out(master: Path, tmp_path: Path) -> None:
    shutil.copytree(master / "SMALL-CT", tmp_path / "files")
    for name in ("one", "other"):
        shutil.copytree(master / "SMALL-MR", tmp_path / "folders" / name)
    look = _files(tmp_path)
    first = [next(look)[0]]
    for path in tmp_path.rglob("*.dcm"):
        if path != first[0]:
            path.unlink()
    shutil.rmtree(tmp_path / "folders" / "other")
    assert first + [path for path, _ in look] == list(tmp_path.rglob("*.dcm"))


def test_the_library_client_stores(store: StoreProcess, fresh: Dataset) -> None:
    told = DICOMwebClient(store.url).store_instances([fresh])
    assert f"/series/{fresh.SeriesInstanceUID}/" in told.ReferencedSOPSequence[0].RetrieveURL


def test_another_file_under_the_same_uid_is_refused(web: httpx.Client, fresh: Dataset) -> None:
    web.post("/studies", content=message(encoded(fresh)), headers={"content-type": TYPE})
    fresh.PatientName = "Somebody^Else"
    answer = web.post("/studies", content=message(encoded(fresh)), headers={"content-type": TYPE})
    assert answer.status_code == 409
    assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0x0111]
    assert web.get(f"/studies?StudyInstanceUID={fresh.StudyInstanceUID}&PatientName=Somebody*").json() == []


def test_a_part_that_fails_does_not_take_the_others_with_it(web: httpx.Client, fresh: Dataset) -> None:
    answer = web.post("/studies", content=message(encoded(fresh), b"garbage"), headers={"content-type": TYPE})
    assert answer.status_code == 202
    assert len(answer.json()["00081199"]["Value"]) == len(answer.json()["00081198"]["Value"]) == 1


def test_a_file_of_another_study_is_refused_at_a_studys_address(web: httpx.Client, fresh: Dataset) -> None:
    url = f"/studies/{CT.uid('study')}"
    answer = web.post(url, content=message(encoded(fresh)), headers={"content-type": TYPE})
    assert answer.status_code == 409 and "another study" in answer.text


def test_garbage_truncated_files_and_bad_uids_are_answered_cleanly(web: httpx.Client, fresh: Dataset) -> None:
    whole = encoded(fresh)
    series = fresh.SeriesInstanceUID.encode()
    evil = whole.replace(series, b"../../x".ljust(len(series), b"y"))
    for part in (b"", b"garbage", b"\0" * 128 + b"DICM" + b"\xff" * 50, whole[:300], whole[:-200], evil):
        answer = web.post("/studies", content=message(part), headers={"content-type": TYPE})
        assert answer.status_code == 409, part[:20]
        failure = answer.json()["00081198"]["Value"][0]
        assert failure["00081197"]["Value"] == [0xC000] and failure["00000902"]["Value"][0]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"garbage", TYPE, 400),
        (message(b"x")[:-4], TYPE, 400),
        (b"--XYZ\r\nno empty line--XYZ--", TYPE, 400),
        (b"{}", "application/json", 415),
        (b"", "multipart/related", 415),
        (message(b"x"), 'multipart/related; type="application/dicom+json"; boundary=XYZ', 415),
    ],
)
def test_messages_that_are_none_are_refused(web: httpx.Client, content: bytes, kind: str, status: int) -> None:
    answer = web.post("/studies", content=content, headers={"content-type": kind})
    assert answer.status_code == status and answer.json()["detail"]


def test_an_upload_may_not_fill_the_memory(tmp_path: Path) -> None:
    app: FastAPI = create_app(tmp_path, max_upload_bytes=100)

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/dicom-web/studies", content=b"x" * 101, headers={"content-type": TYPE})

    assert asyncio.run(post()).status_code == 413


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_the_store_comes_back_under_the_same_address_after_a_crash(tmp_path: Path) -> None:
    with StoreProcess(tmp_path) as store:
        first, url = store.pid, store.url
        assert first is not None
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: store.pid not in (None, first), "another process came")
        store.wait_ready()
        assert store.pid != first and httpx.get(f"{url}/studies").json() == []
        last = store.pid
    assert last is not None and not alive(last)


@pytest.mark.slow
def test_the_store_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom samlabel.dicom_store.process import StoreProcess\n"
        "store = StoreProcess(Path(sys.argv[1])).start()\nsys.stdout.write(f'{store.pid}\\n')\n"
        "sys.stdout.flush()\nsys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
        parent.stdin.close()
        wait_until(lambda: not alive(child), "the store ended", every_s=0.1)


def test_a_port_in_use_is_said(store: StoreProcess, tmp_path: Path) -> None:
    port = int(store.url.split(":")[2].split("/")[0])
    with pytest.raises(ArchiveError, match=f"port {port}"):
        StoreProcess(tmp_path, port)
