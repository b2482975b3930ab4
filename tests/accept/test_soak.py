"""Readers click for minutes on end: no error, no crossed answer, no growing memory."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask
from sam_trainer.reports.record import Report
from sam_trainer.synthetic.patients import demo_studies
from tests.accept.result_rows import command, results
from tests.accept.server import ServerProcess

pytestmark = pytest.mark.accept
MINUTES = float(os.environ.get("SAMLABEL_SOAK_MINUTES", "10"))
READERS = 4
MAX_GROWTH = 0.03


class Reader(threading.Thread):
    """Clicks on random structures of random demo cases; remembers what every request was answered."""

    def __init__(self, server: ServerProcess, masks: dict[str, np.ndarray], seed: int, until: float) -> None:
        super().__init__()
        self.server, self.masks, self.until = server, masks, until
        self.rng = np.random.default_rng(seed)
        self.answers: dict[str, set[str]] = {}
        self.failures: list[str] = []
        self.seconds: list[float] = []

    def run(self) -> None:
        while time.monotonic() < self.until:
            image = str(self.rng.choice(sorted(self.masks)))
            # few different requests, so that many are repeated and can be compared
            number = int(self.rng.integers(0, 12))
            voxels = np.argwhere(self.masks[image])
            picks = voxels[np.random.default_rng(number).integers(0, len(voxels), 1 + number % 3)]
            picks = picks[picks[:, 2] == picks[0, 2]]
            started = time.monotonic()
            reply = self.server.click(image, {"foreground": picks.tolist(), "background": []})
            self.seconds.append(time.monotonic() - started)
            if reply.status_code != 200:
                self.failures.append(f"{reply.status_code} {reply.text[:200]}")
                continue
            digest = hashlib.sha256(reply.content).hexdigest()
            self.answers.setdefault(f"{image}/{picks.tolist()}", set()).add(digest)
            time.sleep(float(self.rng.uniform(0, 0.2)))


@pytest.mark.timeout(MINUTES * 60 + 900)
def test_many_readers_for_many_minutes(tmp_path: Path) -> None:
    started = time.time()
    studies = demo_studies(tmp_path / "studies")
    labels = (studies / "labels" / "final").glob("demo_*")
    masks = {p.name.split(".")[0]: read_mask(p).array for p in labels}
    server = ServerProcess(studies, tmp_path / "home")
    server.start()
    until = time.monotonic() + MINUTES * 60
    readers = [Reader(server, masks, seed, until) for seed in range(READERS)]
    for reader in readers:
        reader.start()
    settled, memory = None, 0
    while any(reader.is_alive() for reader in readers):
        time.sleep(2)
        memory = server.memory_bytes()
        if settled is None and time.monotonic() > until - MINUTES * 60 * 0.8:
            settled = memory
    server.stop()
    together: dict[str, set[str]] = {}
    for reader in readers:
        for request, digests in reader.answers.items():
            together.setdefault(request, set()).update(digests)
    seconds = np.concatenate([reader.seconds for reader in readers])
    growth = memory / (settled or memory) - 1
    row = {
        "readers": READERS,
        "minutes": MINUTES,
        "clicks": len(seconds),
        "failures": sum(len(reader.failures) for reader in readers),
        "requests_with_two_answers": sum(len(digests) > 1 for digests in together.values()),
        "median_ms": round(float(np.median(seconds)) * 1000, 1),
        "p95_ms": round(float(np.quantile(seconds, 0.95)) * 1000, 1),
        "memory_mb": round(memory / 1e6),
        "memory_growth": round(growth, 4),
    }
    told = command(f"SAMLABEL_SOAK_MINUTES={MINUTES:g} pytest -m accept tests/accept/test_soak.py")
    Report(told, 0, [row], started).write(results() / "soak.json")
    assert [failure for reader in readers for failure in reader.failures] == []
    assert row["requests_with_two_answers"] == 0
    assert growth < MAX_GROWTH
