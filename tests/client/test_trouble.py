"""Archives that are down or want another login; readers without one."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from sam_infer.image_file import read_image, write_mask
from sam_infer.volume import Mask
from samlabel.demo_dicom import SMALL, demo_dicom
from tests.client.conftest import LOGIN, fill, orthanc
from tests.client.stations import Station, free_port, serving

pytestmark = [pytest.mark.client, pytest.mark.slow, pytest.mark.timeout(600)]

CT = SMALL[0]
SERIES = CT.uid("series")
DOWN, LOGIN_REFUSED = "cannot be reached", "MONAI_LABEL_DICOMWEB_USERNAME"

# The list of an archive is asked for anew after 15 s.
SOON_S = 30.0


def soon(address: str, status: int) -> httpx.Response:
    """The answer of /info/, once it has a status."""
    deadline = time.monotonic() + SOON_S
    while True:
        answer = httpx.get(f"{address}/info/", timeout=30)
        if answer.status_code == status or time.monotonic() > deadline:
            assert answer.status_code == status, answer.text
            return answer
        time.sleep(0.5)


def listed(address: str) -> httpx.Response:
    return httpx.get(f"{address}/proxy/dicom/qido/studies", timeout=30)


def save(address: str, label: Path, tag: str) -> httpx.Response:
    params = '{"label_info": [{"name": "liver"}]}'
    with label.open("rb") as file:
        return httpx.put(f"{address}/datastore/label?image={SERIES}&tag={tag}", data={"params": params},
                         files={"label": ("label.nrrd", file)}, timeout=60)  # fmt: skip


def click(address: str) -> httpx.Response:
    params = '{"foreground": [[12, 10, 3]], "label": "liver"}'
    url = f"{address}/infer/sam_2d?image={SERIES}&output=json"
    return httpx.post(url, data={"params": params}, files={"unused": ("", b"")}, timeout=120)


def test_an_archive_that_comes_and_goes(tmp_path: Path) -> None:
    port = free_port()
    with serving(f"http://127.0.0.1:{port}/dicom-web", tmp_path, answers=503) as address:
        # down at start: everything says so, nothing hangs, the viewer's page is there
        assert DOWN in soon(address, 503).json()["detail"]
        assert listed(address).status_code == 502 and DOWN in listed(address).json()["detail"]
        assert httpx.get(f"{address}/ohif/", timeout=30).status_code == 200
        assert click(address).status_code == 503 and DOWN in click(address).json()["detail"]

        with orthanc(tmp_path, None, port) as archive:
            fill(archive, tmp_path, SMALL[:1], None)
            assert soon(address, 200).json()["datastore"]["total"] == 1
            assert len(listed(address).json()) == 1
            assert click(address).status_code == 200
            image = tmp_path / "image.nii.gz"
            image.write_bytes(httpx.get(f"{address}/datastore/image?image={SERIES}", timeout=60).content)
            geometry = read_image(image).geometry
            array = np.zeros(geometry.shape, np.uint8)
            array[4:12, 6:13, 1:4] = 1
            label = write_mask(Mask(array, geometry), tmp_path / "label.nrrd")

        # down during work: the open case goes on, drafts are kept, a submission is refused and not half done
        assert listed(address).status_code == 502
        assert click(address).status_code == 200
        assert save(address, label, "draft_local").status_code == 200
        refused = save(address, label, "final")
        assert refused.status_code == 503 and DOWN in refused.json()["detail"]
        assert DOWN in soon(address, 503).json()["detail"]

        # back, but with a login that the server does not have
        with orthanc(tmp_path, LOGIN, port):
            assert LOGIN_REFUSED in soon(address, 503).json()["detail"]
            answer = listed(address)
            assert answer.status_code == 502 and LOGIN_REFUSED in answer.json()["detail"]
            assert "www-authenticate" not in answer.headers  # a browser would ask the reader for the archive's password
            assert LOGIN_REFUSED in save(address, label, "final").json()["detail"]

        with orthanc(tmp_path, None, port) as archive:
            assert soon(address, 200).json()["datastore"] == {**soon(address, 200).json()["datastore"], "completed": 0}
            assert save(address, label, "final").status_code == 200
            station = Station(address, archive, SMALL[:1])
            assert station.completed() == 1
            assert len(station.client().search_for_series(search_filters={"Modality": "SEG"})) == 1


def test_without_login_nothing_is_told_when_logins_are_on(tmp_path: Path) -> None:
    files = demo_dicom(tmp_path / "files", SMALL[:1])
    with serving(str(files), tmp_path, answers=401, MONAI_LABEL_AUTH_ENABLE="true") as address:
        paths = ("/proxy/dicom/qido/studies", f"/proxy/dicom/wado/studies/{CT.uid('study')}/metadata", "/ohif/",
                 "/info/", f"/datastore/image?image={SERIES}", "/datastore/label/info?label=a&tag=final")  # fmt: skip
        for path in paths:
            for headers in ({}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic cmVhZGVyOng="}):
                answer = httpx.get(address + path, headers=headers, timeout=30)
                assert answer.status_code == 401, path
                assert CT.name not in answer.text
        for method, path in (("PUT", f"/lease/?image={SERIES}"), ("POST", "/proxy/dicom/stow/studies"),
                             ("POST", "/activelearning/random"), ("POST", "/infer/sam_2d")):  # fmt: skip
            assert httpx.request(method, address + path, timeout=30).status_code == 401, path
