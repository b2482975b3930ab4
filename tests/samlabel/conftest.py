"""One server for all tests of the app: importing the host takes a quarter of a minute."""

from __future__ import annotations

import email
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.serving.server_state import Serving
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.synthetic.patients import grid, l_shape, render, rotation
from samlabel.host.lazy_host import light_host
from samlabel.logins.flood import Flood
from tests.samlabel.people import People, quick_hashes
from tests.samlabel.region_growing import RegionGrowing

# As `samlabel serve` loads the host: without what no click needs, which takes most of a start.
with light_host():
    import samlabel.store.archive  # noqa: F401

FIXTURES = Path(__file__).parents[1] / "fixtures" / "host"
APP_DIR = Path(__file__).parents[2] / "apps" / "sam"


def captured(name: str, image: str, **changes: Any) -> dict[str, Any]:
    """A request as a client sends it, for an image, with some parameters put in."""
    request = json.loads((FIXTURES / f"{name}.json").read_text())
    request["query"]["image"] = image
    request["params"].update(changes)
    return request


@dataclass
class Answer:
    """A reply, taken apart as the clients do."""

    status: int
    facts: dict[str, Any] = field(default_factory=dict)
    mask_bytes: bytes = b""
    file_name: str = ""

    def mask(self, folder: Path) -> Mask:
        path = folder / "reply.nrrd"
        path.write_bytes(self.mask_bytes)
        return read_mask(path)


@dataclass
class Server:
    """The running app, its studies and its deterministic network."""

    client: Any
    app: Any
    studies: Path
    home: Path
    network: RegionGrowing
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def send(self, request: dict[str, Any], files: dict[str, Any] | None = None, **headers: str) -> Answer:
        """Send a captured request as a multipart form and read the answer."""
        reply = self.client.request(
            request["method"],
            request["path"],
            params=request["query"],
            data={"params": json.dumps(request["params"])},
            # OHIF and 3D Slicer always send multipart; without a file httpx would not.
            files=files or {"unused": ("", b"")},
            headers={**request["headers"], **headers},
        )
        return parsed(reply)

    def click(self, image: str, **params: Any) -> Answer:
        """A request of our own with both parts in the answer."""
        return self.send(
            {"method": "POST", "path": "/infer/sam_2d", "query": {"image": image}, "headers": {}, "params": params}
        )

    def restart(self, encoder_id: str | None = None) -> RegionGrowing:
        """Forget what is in memory; with the same encoder's id what is on disk is still good."""
        self.network = RegionGrowing(encoder_id or f"encoder-{next(self._numbers)}")
        old, self.app.serving = self.app.serving, new_serving(self.network, self.home)
        old.close()
        return self.network


def new_serving(network: RegionGrowing, home: Path) -> Serving:
    return Serving(Predictor(network, EmbeddingCache(folder=home / "embeddings")))


def parsed(reply: Any) -> Answer:
    kind = reply.headers.get("content-type", "")
    if kind.startswith("application/json"):
        return Answer(reply.status_code, reply.json())
    if not kind.startswith("multipart/form-data"):
        return Answer(reply.status_code, {}, reply.content)
    message = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + reply.content)
    parts = {part.get_param("name", header="content-disposition"): part for part in message.get_payload()}
    facts = json.loads(parts["params"].get_payload(decode=True))
    return Answer(reply.status_code, facts, parts["image"].get_payload(decode=True), str(parts["image"].get_filename()))


@contextmanager
def embedded_network(server: Server) -> Iterator[None]:
    """Have a server answer by what its app would load, on one thread, in the place of its deterministic network."""
    import torch

    from samlabel.engine import load_serving

    before, threads = server.app.serving, torch.get_num_threads()
    torch.set_num_threads(1)
    server.app.serving = load_serving(server.app.config)
    try:
        yield
    finally:
        server.app.serving.close()
        server.app.serving = before
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def quick_heads() -> Iterator[None]:
    """Heads that a mode trains before it answers: of two blocks a few steps teach enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sam_infer.automatic.taught.self_prompt.STEPS", 25)
        yield


@pytest.fixture(scope="session")
def phantom() -> tuple[Volume, Mask]:
    """40 x 32 x 24 voxels of 0.8 x 1.1 x 3.0 mm, oblique, an L that no flip or turn maps onto itself."""
    geometry = grid((40, 32, 24), (0.8, 1.1, 3.0), rotation(12, -9, 17))
    return render(l_shape(), geometry, "CT", np.random.default_rng(5), noise=0.3)


@pytest.fixture(autouse=True)
def own_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other tests were refused within the last minute is not counted."""
    monkeypatch.setattr("samlabel.access.audited.FLOOD", Flood())


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> People:
    """One account per role, of no server yet."""
    quick_hashes(monkeypatch)
    people = People(tmp_path / "logins")
    people.add_everybody()
    return people


@pytest.fixture
def logins_on(server: Server, people: People, monkeypatch: pytest.MonkeyPatch) -> People:
    """The running server with logins on."""
    from samlabel.access.login_state import LOGINS

    monkeypatch.setattr(LOGINS, "desk", people.desk)
    server.client.cookies.clear()
    return people


@pytest.fixture(scope="session")
def server(phantom: tuple[Volume, Mask], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The whole application in this process, on a studies folder with the phantom as `l`."""
    root = tmp_path_factory.mktemp("server")
    studies, home = root / "studies", root / "home"
    write_image(phantom[0], studies / "l.nii.gz")
    write_mask(phantom[1], studies / "labels" / "final" / "l.nii.gz")
    with pytest.MonkeyPatch.context() as patch:
        from samlabel.host import settings as host_settings

        patch.setenv("SAMLABEL_HOME", str(home))
        host_settings.apply()
        from fastapi.testclient import TestClient

        with light_host():
            from monailabel.config import settings
            from monailabel.interfaces.utils.app import app_instance

            from samlabel.server.app import SamApp  # noqa: F401 - the host loads it later, from a file
            from samlabel.server.asgi import app as web

        patch.setattr(settings, "MONAI_LABEL_APP_DIR", str(APP_DIR))
        patch.setattr(settings, "MONAI_LABEL_STUDIES", str(studies))
        patch.setattr(settings, "MONAI_LABEL_APP_CONF", {"warm_up": "false", "scoring": "false"})
        patch.setattr(settings, "MONAI_LABEL_SESSION_PATH", str(root / "sessions"))
        app = app_instance()
        network = RegionGrowing("encoder-0")
        app.serving = new_serving(network, home)
        with TestClient(web, raise_server_exceptions=False) as client:
            yield Server(client, app, studies, home, network)
        app.datastore().close()
