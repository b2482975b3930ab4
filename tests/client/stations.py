"""A running annotation station: an archive, our server, OHIF."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from dicomweb_client import DICOMwebClient

from samlabel.dicom.demo import DemoSeries
from samlabel.store.open import DEMO_LABELS

START_S = 300.0


@dataclass(frozen=True)
class Station:
    """Where it is, and what is in it."""

    address: str
    archive: str
    series: tuple[DemoSeries, ...]
    login: tuple[str, str] | None = None
    home: Path = Path()  # where the server keeps its own files

    def client(self) -> DICOMwebClient:
        """The archive, asked directly."""
        from dicomweb_client.session_utils import create_session_from_user_pass

        return DICOMwebClient(self.archive, create_session_from_user_pass(*self.login) if self.login else None)

    def completed(self) -> int:
        """How many cases count as labelled."""
        return int(httpx.get(f"{self.address}/info/", timeout=60).json()["datastore"]["completed"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(studies: str, home: Path, kill: bool = False, answers: int = 200, **environment: str) -> Iterator[str]:
    """`samlabel serve` on studies; the address once it answers; at the end stopped, or killed without warning."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "samlabel",
        "serve",
        "--studies",
        studies,
        "--port",
        str(port),
        "--labels",
        ",".join(DEMO_LABELS),
    ]
    settings = {"SAMLABEL_HOME": str(home), "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(home / "dicom"), **environment}
    log = home / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(command, env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/info/", server, log, answers)
        yield address
    finally:
        server.kill() if kill else server.terminate()
        server.wait(30)


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path, status: int) -> None:
    """Return once an address answers with a status."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended at start:\n{log.read_text()[-2000:]}")
        try:
            if httpx.get(url, timeout=10).status_code == status:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"the server did not answer within {START_S:.0f} s:\n{log.read_text()[-2000:]}")


def through(address: str) -> str:
    """The archive behind a server, as its viewer sees it."""
    return f"{address}/proxy/dicom"
