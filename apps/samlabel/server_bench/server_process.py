"""A benchmarked server in a subprocess of its own, from its start to its end."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sam_infer.errors import SamError

START_SECONDS = 900.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.05


class ServerError(SamError):
    """A server that is to be measured does not run."""


@dataclass(frozen=True)
class Launch:
    """How a server is started; `{port}` in a word of the command is filled in."""

    name: str  # samlabel or stock
    model: str
    command: Sequence[str]
    environ: Mapping[str, str]
    folder: Path  # where it runs and logs


class Running:
    """One server that answers, for the length of a `with` block."""

    def __init__(self, launch: Launch) -> None:
        self.name, self.model = launch.name, launch.model
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._log = launch.folder / f"{launch.name}-{launch.model}.log"
        self.started = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [word.format(port=self.port) for word in launch.command],
                env=dict(launch.environ),
                cwd=launch.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Running:
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        self.seconds_to_listen = time.perf_counter() - self.started
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def memory_bytes(self) -> int:
        """Resident memory of the process."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))

    def cpu_seconds(self) -> float:
        """What it has computed so far: unlike wall time, hardly changed by other work on the machine."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End it, as an administrator would."""
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        """Until the port is open; the first request decides whether the server is of any use."""
        while time.perf_counter() - self.started < START_SECONDS:
            if self._process.poll() is not None:
                raise ServerError(f"the {self.name} server ended: {self._last_words()}", "server")
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(LOOK_SECONDS)
        raise ServerError(f"the {self.name} server did not listen after {START_SECONDS:.0f} s", "server")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"
