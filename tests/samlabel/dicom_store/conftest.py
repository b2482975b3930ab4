import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from samlabel.dicom.demo import SMALL, demo_dicom
from samlabel.dicom_store.process import StoreProcess


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small series of three patients, written once."""
    return demo_dicom(tmp_path_factory.mktemp("dicom"), SMALL)


@pytest.fixture(scope="module")
def store(master: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """A running store over a copy of the series."""
    folder = tmp_path_factory.mktemp("archive") / "files"
    shutil.copytree(master, folder)
    with StoreProcess(folder) as running:
        yield running


@pytest.fixture
def web(store: StoreProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=store.url, headers={"accept-encoding": "identity"}, timeout=30) as client:
        yield client
