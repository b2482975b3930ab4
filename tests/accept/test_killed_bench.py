"""kill -9 of `samlabel bench train`: with --resume it becomes the file of an unbroken run, times apart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sam_trainer.reports.journal import journal_of
from tests.processes import wait_until

pytestmark = [pytest.mark.accept, pytest.mark.timeout(3600)]

WORDS = ["--cases", "1", "--methods", "lora,lora+decoder,unet", "--seeds", "1", "--held-out", "2", "--budget", "1"]


def bench(folder: Path, out: str, *more: str) -> subprocess.Popen[bytes]:
    """`samlabel bench train` in a process group of its own."""
    root = Path(__file__).parents[2]
    path = os.pathsep.join([str(root), str(root / "apps")])
    words = [sys.executable, "-m", "samlabel", "bench", "train", *WORDS, "--precision", "float32", "--allow-changed"]
    return subprocess.Popen(
        [*words, "--out", out, *more], cwd=folder, env={**os.environ, "PYTHONPATH": path}, start_new_session=True
    )


def rows(path: Path) -> list[dict[str, Any]]:
    document = json.loads(path.read_text())
    assert document["complete"] is True and "--budget 1.0" in document["command"]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in document["rows"]]


def test_a_killed_bench_goes_on_to_the_same_file(tmp_path: Path) -> None:
    assert bench(tmp_path, "whole.json").wait() == 0
    journal = journal_of(tmp_path / "broken.json")
    process = bench(tmp_path, "broken.json")
    wait_until(lambda: journal.exists() and len(journal.read_text().splitlines()) >= 3, "two trainings", every_s=0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not alive(process.pid), "the workers are gone too", every_s=0.5)
    assert json.loads((tmp_path / "broken.json").read_text())["complete"] is False
    assert bench(tmp_path, "broken.json", "--resume").wait() == 0
    assert rows(tmp_path / "broken.json") == rows(tmp_path / "whole.json") and not journal.exists()


def alive(group: int) -> bool:
    """Whether a process of the group still runs."""
    time.sleep(0.1)
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
