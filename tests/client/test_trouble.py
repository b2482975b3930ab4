"""Archives that are down or want another login; readers without one."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from sam_infer.imaging.image_file import read_image, write_mask
from sam_infer.imaging.volume import Mask
from samlabel.dicom.demo import SMALL, demo_dicom
from tests.client.browser import browser, new_page
from tests.client.conftest import LOGIN, QUIET, fill, orthanc
from tests.client.stations import Station, free_port, serving
from tests.client.test_pages import PAGES, wrong_requests
from tests.processes import HANG_S, wait_until
from tests.realm import realm, token

pytestmark = [pytest.mark.client, pytest.mark.slow]

CT = SMALL[0]
SERIES = CT.uid("series")
DOWN, LOGIN_REFUSED = "cannot be reached", "MONAI_LABEL_DICOMWEB_USERNAME"


def soon(address: str, status: int) -> httpx.Response:
    """The answer of /info/, once it has a status: the list of an archive is asked for anew after 15 s."""
    answers: list[httpx.Response] = []

    def has() -> bool:
        answers.append(httpx.get(f"{address}/info/", timeout=HANG_S, verify=False))
        return answers[-1].status_code == status

    wait_until(has, f"/info/ answers {status}", every_s=0.5)
    return answers[-1]


def listed(address: str) -> httpx.Response:
    return httpx.get(f"{address}/proxy/dicom/qido/studies", timeout=HANG_S)


def save(address: str, label: Path, tag: str) -> httpx.Response:
    params = '{"label_info": [{"name": "liver"}]}'
    with label.open("rb") as file:
        return httpx.put(
            f"{address}/datastore/label?image={SERIES}&tag={tag}",
            data={"params": params},
            files={"label": ("label.nrrd", file)},
            timeout=HANG_S,
        )


def click(address: str) -> httpx.Response:
    params = '{"foreground": [[12, 10, 3]], "label": "liver"}'
    url = f"{address}/infer/sam_2d?image={SERIES}&output=json"
    return httpx.post(url, data={"params": params}, files={"unused": ("", b"")}, timeout=HANG_S)


def test_an_archive_that_comes_and_goes(tmp_path: Path) -> None:
    port = free_port()
    with serving(f"http://127.0.0.1:{port}/dicom-web", tmp_path, answers=503, conf=QUIET) as address:
        # down at start: everything says so, nothing hangs, the viewer's page is there
        assert DOWN in soon(address, 503).json()["detail"]
        assert listed(address).status_code == 502 and DOWN in listed(address).json()["detail"]
        assert httpx.get(f"{address}/ohif/", timeout=HANG_S).status_code == 200
        assert click(address).status_code == 503 and DOWN in click(address).json()["detail"]

        with orthanc(tmp_path, None, port) as archive:
            fill(archive, tmp_path, SMALL[:1], None)
            assert soon(address, 200).json()["datastore"]["total"] == 1
            assert len(listed(address).json()) == 1
            assert click(address).status_code == 200
            image = tmp_path / "image.nii.gz"
            image.write_bytes(httpx.get(f"{address}/datastore/image?image={SERIES}", timeout=HANG_S).content)
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


def test_with_logins_on_only_readers_who_are_logged_in_are_told_anything(tmp_path: Path) -> None:
    files, port = demo_dicom(tmp_path / "files", SMALL[:1]), free_port()
    key, foreign = (generate_private_key(65537, 2048) for _ in range(2))
    settings = {"MONAI_LABEL_AUTH_ENABLE": "true", "MONAI_LABEL_AUTH_REALM_URI": f"http://127.0.0.1:{port}/realm"}
    with serving(str(files), tmp_path, answers=401, conf=QUIET, **settings) as address:
        asked = [
            ("GET", path)
            for path in (
                "/proxy/dicom/qido/studies",
                f"/proxy/dicom/wado/studies/{CT.uid('study')}/metadata",
                "/ohif/",
                "/info/",
                f"/datastore/image?image={SERIES}",
                "/datastore/label/info?label=a&tag=final",
            )
        ]
        asked += [
            ("PUT", f"/lease/?image={SERIES}"),
            ("POST", "/proxy/dicom/stow/studies"),
            ("POST", "/activelearning/random"),
            ("POST", "/infer/sam_2d"),
        ]

        def refused(status: int, headers: dict[str, str]) -> None:
            for method, path in asked:
                answer = httpx.request(method, address + path, headers=headers, timeout=HANG_S, verify=False)
                assert answer.status_code == status and CT.name not in answer.text, (path, answer.text)

        refused(401, {})
        refused(401, {"authorization": "Basic cmVhZGVyOng="})
        refused(503, token(key, "monailabel-user"))  # the realm is away: nobody can be told from a stranger
        with realm(port, key):
            refused(401, {"authorization": "Bearer nonsense"})
            refused(401, token(foreign, "monailabel-user"))
            refused(403, token(key, "monailabel-guest"))
            anna = token(key, "monailabel-user")
            studies = httpx.get(f"{address}/proxy/dicom/qido/studies", headers=anna, timeout=HANG_S).json()
            assert [study["00100020"]["Value"] for study in studies] == [[CT.name]]
            lease = httpx.put(f"{address}/lease/?image={SERIES}", headers=anna, timeout=HANG_S).json()
            assert lease["reader"] == "anna"
            with browser() as chromium:
                stranger = new_page(chromium, address)
                assert stranger.goto("/ohif/").status == 401 and "logged in" in stranger.inner_text("body")
                member = new_page(chromium, address)
                member.set_extra_http_headers(anna)
                assert wrong_requests(member, address, [page for page in PAGES if page != "/logs/"]) == []
