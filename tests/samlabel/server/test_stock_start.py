"""The host's own command line loads the app folder, and everything is mended there too."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sam_infer.imaging.image_file import read_mask, write_image
from sam_infer.imaging.volume import Mask, Volume
from tests.processes import HANG_S, running, wait_until
from tests.samlabel.conftest import APP_DIR

pytestmark = pytest.mark.slow


def call(address: str, data: bytes | None = None, kind: str = "application/json", **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(address, data, {"content-type": kind, **headers})
    try:
        with urllib.request.urlopen(request, timeout=HANG_S) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def form(params: dict[str, Any]) -> tuple[bytes, str]:
    """A multipart form as the Slicer client writes it."""
    limit = "----------lImIt_of_THE_fIle_eW_$"
    body = f'--{limit}\r\nContent-Disposition: form-data; name="params"\r\n\r\n{json.dumps(params)}\r\n--{limit}--\r\n'
    return body.encode(), f"multipart/form-data; boundary={limit}"


@pytest.fixture(params=["stock", "launcher"])
def started(
    request: pytest.FixtureRequest, phantom: tuple[Volume, Mask], tmp_path: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server process on a free port, started by the host's command line or by ours."""
    studies = tmp_path / "studies"
    write_image(phantom[0], studies / "l.nii.gz")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    if request.param == "stock":
        app = tmp_path / "app"  # the host writes into its app folder: not into the repository
        app.mkdir()
        shutil.copy(APP_DIR / "main.py", app)
        command = [
            sys.executable,
            "-m",
            "monailabel.main",
            "start_server",
            "--app",
            str(app),
            "--host",
            "127.0.0.1",
            "--port",
            port,
            "--studies",
            str(studies),
            "--conf",
            "labels",
            "object,other",
        ]
    else:
        command = [
            sys.executable,
            "-c",
            "from samlabel.commands.cli import main; main()",
            "serve",
            "--studies",
            str(studies),
            "--port",
            port,
            "--labels",
            "object,other",
        ]
    environment = {**os.environ, "SAMLABEL_HOME": str(tmp_path / "home")}
    with (
        (tmp_path / "log").open("wb") as log,
        running(command, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT) as server,
    ):
        yield f"http://127.0.0.1:{port}", server
        server.terminate()
        server.wait(HANG_S)


def info(address: str, server: subprocess.Popen[bytes], log: Path) -> dict[str, Any]:
    """What the server says about itself, once it says anything."""
    told: dict[str, Any] = {}

    def answers() -> bool:
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            told.update(json.loads(call(f"{address}/info/")[1]))
        except (OSError, ValueError):
            return False
        return True

    wait_until(answers, "the server answers", every_s=0.5)
    return told


def test_a_real_server_answers(started: tuple[str, subprocess.Popen[bytes]], tmp_path: Path) -> None:
    address, server = started
    told = info(address, server, tmp_path / "log")
    assert list(told["models"]) == ["sam_auto", "sam_2d", "sam_3d", "sam_multi", "sam_class"]
    assert told["labels"] == ["object", "other"]

    body, kind = form({"foreground": [[24, 12, 12]], "result_compress": False, "result_extension": ".nrrd"})
    status, mask = call(f"{address}/infer/sam_2d?image=l&output=image", body, kind)
    assert status == 200, mask
    (tmp_path / "mask.nrrd").write_bytes(mask)
    assert read_mask(tmp_path / "mask.nrrd").array.shape == (40, 32, 24)

    for target, params, expected in (
        ("sam_2d?image=l", {}, 422),
        ("sam_2d?image=../l", {"foreground": [[24, 12, 12]]}, 422),
        ("sam_2d?image=l", {"foreground": [[24, 12, 12]], "label": "third"}, 422),
        ("nothing?image=l", {"foreground": [[24, 12, 12]]}, 404),
    ):
        body, kind = form(params)
        status, text = call(f"{address}/infer/{target}", body, kind)
        assert (status, len(json.loads(text)["detail"]) > 15) == (expected, True)
    body, kind = form({"foreground": [[24, 12, 12]]})
    assert call(f"{address}/infer/sam_2d?image=l", body, kind, Origin="http://evil.example")[0] == 403
    assert call(f"{address}/reload", b"{}")[0] == 403
