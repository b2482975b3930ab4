"""A round of ten cases on `tiny`: taught, judged and promoted in five minutes on two cores."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.accept.result_rows import results

ROOT = Path(__file__).parents[2]

# What a second process cannot do in a core that is busy elsewhere is no fault of ours: wall time counts when idle.
MINUTES, CORES, BUSY = 5, 2, 1.0


@pytest.mark.accept
@pytest.mark.timeout(3000)
def test_a_round_of_ten_cases() -> None:
    result = results() / "round.json"
    words = [sys.executable, "benchmarks/round.py", "--out", str(result), "--allow-changed"]
    subprocess.run(words, cwd=ROOT, check=True)
    (row,) = json.loads(result.read_text())["rows"]
    assert row["cases"] == 10 and row["promoted"] and row["gain_low"] > 0
    assert row["cpu_seconds"] <= MINUTES * 60 * CORES
    if row["load_at_start"] < BUSY:
        assert row["seconds"] <= MINUTES * 60
