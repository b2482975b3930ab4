"""512 x 512 x 800 voxels: a click in 3D fits a laptop, the log tells how far it is, and for nobody it ends."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_image
from sam_infer.imaging.volume import Volume
from sam_trainer.reports.record import Report
from sam_trainer.synthetic.patients import grid
from tests.accept.result_rows import command, results
from tests.accept.server import ServerProcess

pytestmark = [pytest.mark.accept, pytest.mark.timeout(3600)]

SHAPE, SPACING = (512, 512, 800), (0.8, 0.8, 1.0)
MOST_BYTES = 6 << 30


def vessel_centre(index: int) -> tuple[float, float]:
    """Where the vessel is on a slice: it winds through the whole scan."""
    return 250 + 30 * np.sin(index / 90), 270 + 24 * np.cos(index / 120)


def scan() -> Volume:
    """A body with one winding vessel of 34 voxels, in int16; made slice by slice."""
    rng = np.random.default_rng(0)
    i, j = np.ogrid[: SHAPE[0], : SHAPE[1]]
    body = ((i - 256) / 220) ** 2 + ((j - 256) / 180) ** 2 < 1
    noise = rng.normal(0, 12, (8, *SHAPE[:2]))
    array = np.empty(SHAPE, np.int16, order="F")
    for k in range(SHAPE[2]):
        ci, cj = vessel_centre(k)
        vessel = (i - ci) ** 2 + (j - cj) ** 2 < 17**2
        array[:, :, k] = np.where(vessel, 190, np.where(body, 30, -950)) + noise[k % 8]
    return Volume(array, grid(SHAPE, SPACING), "CT")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("large")
    write_image(scan(), folder / "studies" / "large.nii")
    running = ServerProcess(folder / "studies", folder / "home")
    running.client.timeout = 3000
    running.start()
    yield running
    running.stop()


def peak_bytes(server: ServerProcess) -> int:
    """The most memory the process ever had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def cpu_seconds(server: ServerProcess) -> float:
    """What the process has computed so far."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def log_of(server: ServerProcess) -> str:
    return (server.home / "server.log").read_text()


def test_a_client_that_hangs_up_ends_the_work(server: ServerProcess) -> None:
    """First, while nothing is cached: the answer would take minutes."""
    body = json.dumps({"foreground": [[int(c) for c in vessel_centre(400)] + [400]]})
    form = f'--x\r\nContent-Disposition: form-data; name="params"\r\n\r\n{body}\r\n--x--\r\n'.encode()
    lines = [
        "POST /infer/sam_3d?image=large HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Length: {len(form)}",
        "Content-Type: multipart/form-data; boundary=x",
        "",
        "",
    ]
    head = "\r\n".join(lines).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head + form)
        deadline = time.monotonic() + 300
        while "at work" not in log_of(server) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert "request=sam_3d" in log_of(server), "no progress in the log"
    deadline = time.monotonic() + 30
    while "called off" not in log_of(server) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert "called off" in log_of(server)
    time.sleep(2)
    before = cpu_seconds(server)
    time.sleep(5)
    assert cpu_seconds(server) - before < 1.5, "the server still computes for nobody"


def test_one_click_in_six_gigabytes(server: ServerProcess, tmp_path: Path) -> None:
    started = time.time()
    ci, cj = vessel_centre(400)
    box = [int(ci) - 17, int(ci) + 17, int(cj) - 17, int(cj) + 17, 400, 400]
    reply = server.client.post(
        "/infer/sam_3d", params={"image": "large", "output": "image"}, data={"params": json.dumps({"roi": box})}
    )
    seconds = time.time() - started
    assert reply.status_code == 200, reply.text
    peak = peak_bytes(server)
    (tmp_path / "mask.nrrd").write_bytes(reply.content)
    mask = read_mask(tmp_path / "mask.nrrd").array
    truth = np.zeros(SHAPE[:2], bool)
    i, j = np.ogrid[: SHAPE[0], : SHAPE[1]]
    scores = []
    for k in range(0, SHAPE[2], 20):
        a, b = vessel_centre(k)
        truth = (i - a) ** 2 + (j - b) ** 2 < 17**2
        scores.append(2 * (mask[:, :, k].astype(bool) & truth).sum() / (mask[:, :, k].sum() + truth.sum()))
    row = {
        "shape": list(SHAPE),
        "model": "tiny",
        "peak_bytes": peak,
        "seconds": round(seconds, 1),
        "dice": round(float(np.mean(scores)), 4),
    }
    told = command("pytest -m accept tests/accept/test_large_volume.py")
    Report(told, 0, [row], started).write(results() / "large_volume.json")
    assert peak < MOST_BYTES, f"{peak / 2**30:.2f} GiB"
    assert float(np.mean(scores)) > 0.85
