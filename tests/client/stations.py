"""A running annotation station: an archive, our server, OHIF."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import httpx
from dicomweb_client import DICOMwebClient

from samlabel.dicom.demo import DemoSeries
from samlabel.store.open import DEMO_LABELS
from tests.client.forked import forked
from tests.processes import HANG_S, wait_until


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
        return int(httpx.get(f"{self.address}/info/", timeout=HANG_S, verify=False).json()["datastore"]["completed"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(
    studies: str,
    home: Path,
    kill: bool = False,
    answers: int = 200,
    port: int | None = None,
    conf: Sequence[str] = (),
    **environment: str,
) -> Iterator[str]:
    """`samlabel serve` on studies; the address once it answers; at the end stopped, or killed without warning."""
    port = port or free_port()
    words = [
        "serve",
        "--studies",
        studies,
        "--port",
        str(port),
        "--labels",
        ",".join(DEMO_LABELS),
        *(word for setting in conf for word in ("--set", setting)),
    ]
    settings = {"SAMLABEL_HOME": str(home), "MONAI_LABEL_DICOMWEB_CACHE_PATH": str(home / "dicom"), **environment}
    log = home / "server.log"
    address = f"http://127.0.0.1:{port}"
    # in a group of its own: a training that it started ends with it, whatever a test found
    with forked(words, {**os.environ, **settings}, log) as server:
        wait_until(partial(answering, f"{address}/info/", answers, server, log), "the server answers", every_s=0.5)
        yield address
        server.kill() if kill else server.terminate()
        server.join(HANG_S)


def answering(url: str, status: int, server: ForkServerProcess, log: Path) -> bool:
    """Whether an address answers with a status; that its server has ended is an error."""
    if server.exitcode is not None:
        raise RuntimeError(f"the server ended at start:\n{log.read_text()[-2000:]}")
    try:
        # no certificates: httpx would load all it has, anew for each request
        return httpx.get(url, timeout=HANG_S, verify=False).status_code == status
    except httpx.HTTPError:
        return False


def through(address: str) -> str:
    """The archive behind a server, as its viewer sees it."""
    return f"{address}/proxy/dicom"
