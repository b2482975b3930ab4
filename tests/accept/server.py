"""A real server process for the long runs: started, asked, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from sam_infer.imaging.image_file import read_image, write_image
from sam_infer.imaging.volume import Volume
from sam_trainer.synthetic.patients import grid

SIDE, SLICES = 32, 8

ROOT = Path(__file__).parents[2]

# On a machine that is busy with other things, importing alone takes minutes.
START_TIMEOUT_S = 1200


def two_images(folder: Path) -> Path:
    """A studies folder with two small images of noise, `a` and `b`."""
    shape = (SIDE, SIDE, SLICES)
    noise = np.random.default_rng(0).integers(-100, 200, shape, dtype=np.int16)
    for name in ("a", "b"):
        write_image(Volume(noise, grid(shape, (1, 1, 3))), folder / f"{name}.nii.gz")
    return folder


class ServerProcess:
    """`samlabel serve` on a free port of this machine."""

    def __init__(self, studies: Path, home: Path, *settings: str, environment: Mapping[str, str] | None = None) -> None:
        self.studies, self.home, self._environment = studies, home, environment or {}
        self.settings = [part for setting in settings for part in ("--set", setting)]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.address = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.address, timeout=120)

    def start(self) -> None:
        """Start and wait for the first answer."""
        self.home.mkdir(parents=True, exist_ok=True)
        serve = (sys.executable, "-m", "samlabel", "serve")
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*serve, "--studies", str(self.studies), "--port", str(self.port), *self.settings],
                env={**os.environ, "SAMLABEL_HOME": str(self.home), **self._environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError((self.home / "server.log").read_text()[-2000:])
            try:
                if self.client.get("/info/").status_code in (200, 401):
                    return
            except httpx.HTTPError:
                time.sleep(0.5)
        self.kill()
        raise TimeoutError("the server did not answer /info/")

    def kill(self) -> None:
        """As a power cut would: no signal handler runs."""
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def kill_all(self) -> None:
        """The same with the processes that it started, as a batch is one."""
        if self.process is not None:
            own = Path(f"/proc/{self.process.pid}/task").glob("*/children")
            started = [int(pid) for file in own for pid in file.read_text().split()]
            self.kill()
            for pid in started:
                with suppress(ProcessLookupError):  # ended with it
                    os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """As an administrator would."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.client.close()

    def places(self) -> tuple[str, ...]:
        """Paths of this machine that no answer should hold."""
        return (str(self.home), str(self.studies), str(ROOT), sys.prefix)

    def memory_bytes(self) -> int:
        """Resident memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text() if self.process else ""
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def memory_mb(self, field: str = "VmRSS") -> int:
        """Resident memory now, or (`VmHWM`) at its highest."""
        status = Path(f"/proc/{self.process.pid}/status").read_text() if self.process else ""
        return next(int(line.split()[1]) >> 10 for line in status.splitlines() if line.startswith(f"{field}:"))

    def forget_highest(self) -> None:
        """Let `VmHWM` begin anew."""
        if self.process is not None:
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def have_readers_loaded(self, folder: Path) -> None:
        """Send an image that ITK reads, and take it back.

        A server loads ITK in a reader's first pause, or for the first such file: hundreds of megabytes that are none of
        what a test sends.
        """
        path = write_image(read_image(self.studies / "b.nii.gz"), folder / "good.mha")
        sent = self.client.put("/datastore/image?image=good", files={"file": (path.name, path.read_bytes())})
        assert sent.is_success, sent.text
        self.client.delete("/datastore/image?id=good")

    def click(self, image: str, params: dict[str, Any]) -> httpx.Response:
        """A click as OHIF sends it: only the mask comes back."""
        extras = {"result_extension": ".nrrd", "result_dtype": "uint8", "result_compress": False}
        return self.client.post(
            "/infer/sam_2d", params={"image": image, "output": "image"}, data={"params": json.dumps(params | extras)}
        )
