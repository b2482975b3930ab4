"""Our server on real archives: images, labels as SEG, who may ask; a reader's label from the viewer to the archive."""

import http.client
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from pydicom import Dataset

from sam_infer.imaging.image_file import read_image, write_mask
from sam_infer.imaging.volume import Mask
from sam_trainer.synthetic.patients import ABDOMEN_LABELS
from samlabel.dicom.demo import SMALL, demo_dicom
from samlabel.dicom.seg_read import read_seg
from tests.client.browser import browser_page
from tests.client.phantom import ORGAN, lps, middle_of, segs
from tests.client.reader import Reader
from tests.client.stations import Station
from tests.processes import HANG_S

pytestmark = [pytest.mark.client, pytest.mark.slow]

# Nobody clicks here: no network is loaded.
CONF = ("warm_up=false", "scoring=false")

# Once is enough for what has nothing to do with the archive.
EMBEDDED = pytest.mark.parametrize("station", ["embedded"], indirect=True, scope="module")


def raw(address: str, path: str) -> int:
    """The status of a path that no client library would send."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=HANG_S)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def test_only_what_is_asked_for_is_answered(station: Station) -> None:
    first, second = station.series
    studies = f"{station.address}/proxy/dicom/qido/studies"
    assert len(httpx.get(studies, timeout=HANG_S).json()) == 2
    one = httpx.get(f"{studies}?00100020={first.name}&includefield=00081030", timeout=HANG_S).json()
    assert [study["00100020"]["Value"][0] for study in one] == [first.name]
    assert one[0]["00081030"]["Value"] == ["Procedural abdomen, CT"]
    paged = httpx.get(f"{studies}?limit=1&offset=1", timeout=HANG_S).json()
    assert len(paged) == 1
    assert httpx.get(f"{studies}?PatientID={second.name}", timeout=HANG_S).json()[0]["0020000D"]["Value"] == [
        second.uid("study")
    ]


@pytest.mark.parametrize("path", ["../system", "..%2Fsystem", "wado/..%2F..%2Finstances", "%2e%2e/system", "system"])
def test_nothing_else_of_the_archive_can_be_reached(station: Station, path: str) -> None:
    assert 400 <= raw(station.address, f"/proxy/dicom/{path}") < 500


def test_a_label_becomes_a_seg_of_the_archive_with_equal_voxels(station: Station, tmp_path: Path) -> None:
    series = station.series[0]
    image = tmp_path / "image.nii.gz"
    image.write_bytes(
        httpx.get(f"{station.address}/datastore/image?image={series.uid('series')}", timeout=HANG_S).content
    )
    served, (volume, true) = read_image(image), series.build()
    np.testing.assert_array_equal(served.array, volume.array)
    label = write_mask(Mask(true.array, served.geometry), tmp_path / "label.nrrd")
    params = '{"label_info": [' + ",".join(f'{{"name": "{name}"}}' for name in ABDOMEN_LABELS.values()) + "]}"
    url = f"{station.address}/datastore/label?image={series.uid('series')}&tag=final"
    with label.open("rb") as file:
        answer = httpx.put(url, data={"params": params}, files={"label": ("label.nrrd", file)}, timeout=HANG_S)
    assert answer.status_code == 200, answer.text
    assert station.completed() == 1
    client = station.client()
    (found,) = client.search_for_series(series.uid("study"), search_filters={"Modality": "SEG"})
    seg: Dataset = client.retrieve_series(series.uid("study"), found["0020000E"]["Value"][0])[0]
    back, names = read_seg(seg, served.geometry)
    assert list(names.values()) == list(ABDOMEN_LABELS.values())
    np.testing.assert_array_equal(back.array, true.array)
    url = f"{station.address}/datastore/label?id={series.uid('series')}&tag=final"
    assert httpx.delete(url, timeout=HANG_S).status_code == 200
    assert station.completed() == 0


def multipart(*parts: bytes) -> tuple[bytes, dict[str, str]]:
    head = b"--XYZ\r\nContent-Type: application/dicom\r\n\r\n"
    body = b"".join(head + part + b"\r\n" for part in parts) + b"--XYZ--"
    return body, {"content-type": 'multipart/related; type="application/dicom"; boundary=XYZ'}


def test_garbage_is_not_stored(station: Station, tmp_path: Path) -> None:
    """Nothing that is no whole DICOM file gets in through the server, and the archive is as it was."""
    whole = next((demo_dicom(tmp_path, SMALL[2:]) / SMALL[2].name).glob("*.dcm")).read_bytes()
    url = f"{station.address}/proxy/dicom/stow/studies"
    before = station.client().search_for_studies()
    parts = (b"", b"garbage", b"\0" * 128 + b"DICM" + b"\xff" * 50, whole[:300])
    messages = [multipart(part) for part in parts]
    messages += [(b"garbage", multipart()[1]), (multipart(whole)[0], {"content-type": "text/plain"})]
    for body, headers in messages:
        answer = httpx.post(url, content=body, headers=headers, timeout=HANG_S)
        # Orthanc answers 200 to some of these, without naming anything as stored (0008,1199).
        told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        assert answer.status_code < 500 and not told.get("00081199", {}).get("Value"), answer.text
    assert station.client().search_for_studies() == before


@EMBEDDED
def test_a_second_server_on_the_same_port_says_so(station: Station, tmp_path: Path) -> None:
    port = str(urlsplit(station.address).port)
    command = [sys.executable, "-m", "samlabel", "serve", "--studies", "demo", "--port", port]
    environment = {**os.environ, "SAMLABEL_HOME": str(tmp_path)}
    second = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_S)
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in second.stderr and "choose another --port" in second.stderr
    assert "Traceback" not in second.stderr
    assert httpx.get(f"{station.address}/info/", timeout=HANG_S).status_code == 200


@pytest.mark.parametrize("station", ["orthanc-login"], indirect=True, scope="module")
def test_what_a_reader_submits_is_in_the_archive(station: Station, shots: Path) -> None:
    series = station.series[1]
    volume, mask = series.build()
    place = lps(volume, middle_of(mask))
    with browser_page(station.address) as page:
        reader = Reader(page, shots)
        reader.from_the_list(series.patient)
        reader.choose(ORGAN)
        reader.look_at(place)
        reader.press("+ point")
        reader.click(place)
        shown = reader.voxels(ORGAN)
        reader.press("Submit")
        reader.says("Submitted: ")
        assert reader.faults == []
    (seg,) = segs(station, series)
    assert int(seg.pixel_array.sum()) == int(shown.sum())
