"""The DICOMweb store as a supervised child process: restarted when it dies, ended with its parent.

The parent opens the listening socket and keeps it: the address is known before the child answers, never changes, and
requests that come while a new child starts wait instead of failing.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import structlog

from samlabel.dicom_store.service import ROOT, digest_of
from samlabel.errors import ArchiveError

log = structlog.get_logger(__name__)

LOOPBACK = "127.0.0.1"
BACKLOG = 128
READY_WITHIN_S = 60.0
RESTART_AFTER_S = 1.0
ASKED_WITHIN_S = 3.0


def address_at(port: int) -> str:
    """The DICOMweb root of a store on this machine."""
    return f"http://{LOOPBACK}:{port}{ROOT}"


def serves(address: str, folder: Path) -> bool:
    """Whether a store answers at an address, and serves this very folder."""
    try:
        reply = httpx.get(f"{address.removesuffix(ROOT)}/health", timeout=ASKED_WITHIN_S, trust_env=False)
        return reply.is_success and reply.json().get("folder") == digest_of(folder)
    except (httpx.HTTPError, ValueError, AttributeError):  # nobody, or somebody else
        return False


def end_with_parent() -> None:
    """End this process when its standard input closes, that is, when the parent is gone, however it went."""
    sys.stdin.buffer.read()
    os._exit(0)


class StoreProcess:
    """A supervised store over a folder; use as a context."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((LOOPBACK, port))
        except OSError as error:
            self._socket.close()
            raise ArchiveError(f"the DICOM store cannot listen on port {port}: {error.strerror}", "port") from error
        self._socket.listen(BACKLOG)
        self._child: subprocess.Popen[bytes] | None = None
        self._ending = threading.Event()
        self._watch = threading.Thread(target=self._supervise, daemon=True)

    @property
    def url(self) -> str:
        """The DICOMweb root."""
        return address_at(self._socket.getsockname()[1])

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._child.pid if self._child else None

    def start(self) -> StoreProcess:
        """Start the child and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._child = self._spawn()
        self._watch.start()
        self.wait_ready()
        return self

    def wait_ready(self, within_s: float = READY_WITHIN_S) -> None:
        """Return once the store answers."""
        health = self.url.removesuffix(ROOT) + "/health"
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                if httpx.get(health, timeout=min(5.0, within_s), trust_env=False).is_success:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise ArchiveError(f"the DICOM store did not answer within {within_s:.0f} s")

    def stop(self) -> None:
        """End the child and give the address back."""
        self._ending.set()
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            if self._child.stdin is not None:
                self._child.stdin.close()
        if self._watch.is_alive():
            self._watch.join(5)
        self._socket.close()

    def __enter__(self) -> StoreProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _spawn(self) -> subprocess.Popen[bytes]:
        descriptor = self._socket.fileno()
        command = [sys.executable, "-m", "samlabel.dicom_store", str(self.folder), "--descriptor", str(descriptor)]
        return subprocess.Popen(command, pass_fds=[descriptor], stdin=subprocess.PIPE)

    def _supervise(self) -> None:
        while not self._ending.is_set():
            child = self._child
            code = child.wait() if child is not None else 0
            if self._ending.wait(RESTART_AFTER_S):
                return
            log.error("the DICOM store ended and is started again", exit_code=code)
            if child is not None and child.stdin is not None:
                child.stdin.close()
            self._child = self._spawn()
