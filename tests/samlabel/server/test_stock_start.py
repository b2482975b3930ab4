"""The host's own command line loads the app folder, and everything is mended there too.

`tests/client/test_slicer.py` asks the same of a server that our launcher started.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sam_infer.imaging.image_file import write_image
from sam_infer.imaging.volume import Mask, Volume
from tests.processes import HANG_S, running, wait_until
from tests.samlabel.conftest import APP_DIR
from tests.samlabel.server.first_answers import call, check_answers

pytestmark = pytest.mark.slow

CONF = {"labels": "object,other", "warm_up": "false", "scoring": "false"}


@pytest.fixture
def started(phantom: tuple[Volume, Mask], tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server process on a free port, started by the host's command line."""
    studies = tmp_path / "studies"
    write_image(phantom[0], studies / "l.nii.gz")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    app = tmp_path / "app"  # the host writes into its app folder: not into the repository
    app.mkdir()
    shutil.copy(APP_DIR / "main.py", app)
    where = ["--app", str(app), "--host", "127.0.0.1", "--port", port, "--studies", str(studies)]
    conf = [word for pair in CONF.items() for word in ("--conf", *pair)]
    command = [sys.executable, "-m", "monailabel.main", "start_server", *where, *conf]
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
    assert list(told["models"]) == ["sam_auto", "sam_2d", "sam_3d", "sam_multi", "sam_class", "sam_text"]
    assert told["labels"] == ["object", "other"]
    assert check_answers(address, "l", (24, 12, 12), tmp_path) == (40, 32, 24)
    # its default address is open to everybody: it says so where somebody looks
    warning = "logins are off and other machines may reach this server"
    assert warning in (tmp_path / "log").read_text() and warning in call(f"{address}/")[1].decode()
