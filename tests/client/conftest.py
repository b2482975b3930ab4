"""Stations for the browser: on the embedded store, and on Orthanc without and with a login."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from dicomweb_client import DICOMwebClient
from dicomweb_client.session_utils import create_session_from_user_pass
from pydicom import dcmread

from sam_infer.imaging.volume import Mask, Volume
from samlabel.dicom.demo import DEMO, MATRIX, DemoSeries, demo_dicom
from tests.client.browser import end_browser
from tests.client.stations import Station, free_port, serving, through
from tests.processes import HANG_S, running, wait_until

LOGIN = ("reader", "secret of the test")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
ROOT = Path(__file__).parents[2]

# Nothing in the background: for whoever tests no background work.
QUIET = ("scoring=false", "prefetch=false")


# Long files first, with a short one for whoever has begun a long one: the last file has the machine for itself, and
# a process is given its second file together with its first.
ORDER = ("slicer", "ohif", "drafts", "readme", "panel", "newer_viewer", "archives", "logins", "flat_images")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, where files are not told apart by the number of their tests."""
    files = [Path(__file__).with_name(f"test_{name}.py") for name in ORDER]
    items.sort(key=lambda item: files.index(item.path) if item.path in files else len(files))


@pytest.fixture(scope="session", autouse=True)
def made_once() -> Iterator[None]:
    """The tests share one browser; and a patient follows from its name, so that building it once is enough."""
    built: dict[str, tuple[Volume, Mask]] = {}
    build = DemoSeries.build

    def once(series: DemoSeries) -> tuple[Volume, Mask]:
        if series.name not in built:
            built[series.name] = build(series)
        return built[series.name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DemoSeries, "build", once)
        yield
    end_browser()


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where pictures of the screen are kept; `make pictures` wants those of the documentation anew."""
    folder = ROOT / os.environ.get("SAMLABEL_PICTURES", "build/screens")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module", params=["embedded", pytest.param("orthanc", marks=pytest.mark.accept), "orthanc-login"])
def station(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """Two patients, on every kind of archive."""
    home = tmp_path_factory.mktemp(str(request.param))
    conf = getattr(request.module, "CONF", ())  # what the tests of a file do not need
    if request.param == "embedded":
        yield from embedded(home, DEMO[:2], conf)
        return
    login = LOGIN if request.param == "orthanc-login" else None
    with orthanc(home, login) as archive:
        fill(archive, home, DEMO[:2], login)
        settings = dict(
            zip(("MONAI_LABEL_DICOMWEB_USERNAME", "MONAI_LABEL_DICOMWEB_PASSWORD"), login or (), strict=False)
        )
        with serving(archive, home, conf=conf, **settings) as address:
            yield Station(address, archive, DEMO[:2], login, home)


@pytest.fixture(
    scope="module", params=[MATRIX[2:3], pytest.param(MATRIX[1:], marks=pytest.mark.accept)], ids=["oblique", "all"]
)
def matrix_station(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A patient per geometry: oblique, or feet first, oblique and sagittal; on the embedded store."""
    yield from embedded(tmp_path_factory.mktemp("matrix"), request.param)


def embedded(home: Path, series: tuple[DemoSeries, ...], conf: Sequence[str] = QUIET) -> Iterator[Station]:
    """A station on the embedded store; by default a server that only does what it is asked for."""
    folder = demo_dicom(home / "files", series)
    with serving(str(folder), home, conf=conf) as address:
        yield Station(address, through(address), series, home=home)


@contextmanager
def orthanc(home: Path, login: tuple[str, str] | None, port: int | None = None) -> Iterator[str]:
    """Orthanc on a port of its own or a given one; its DICOMweb root."""
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None or not PLUGIN.exists():
        pytest.skip("orthanc is missing: apt install orthanc orthanc-dicomweb")
    port = port or free_port()
    config = {
        "StorageDirectory": str(home / "storage"),
        "IndexDirectory": str(home / "storage"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": login is not None,
        "RegisteredUsers": dict([login]) if login else {},
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Host": f"127.0.0.1:{port}"},
    }
    (home / "orthanc.json").write_text(json.dumps(config))
    with (
        (home / "orthanc.log").open("w") as log,
        running([program, str(home / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/system"), "Orthanc answers", every_s=0.3)
        yield f"http://127.0.0.1:{port}/dicom-web"
        server.terminate()
        server.wait(HANG_S)


def answers(url: str) -> bool:
    """Whether anybody answers there, whatever they say."""
    try:
        httpx.get(url, timeout=HANG_S, verify=False)
    except httpx.HTTPError:
        return False
    return True


def fill(archive: str, home: Path, series: tuple[DemoSeries, ...], login: tuple[str, str] | None) -> None:
    """Send series to an archive."""
    client = DICOMwebClient(archive, create_session_from_user_pass(*login) if login else None)
    for item in series:
        folder = demo_dicom(home / "files", (item,)) / item.name
        client.store_instances([dcmread(path) for path in sorted(folder.glob("*.dcm"))])
