"""schemathesis in its own environment: one run against a server, and what came of it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[2] / ".venv.fuzz" / "bin" / "schemathesis"
KNOWN_NAMES = Path(__file__).with_name("fuzz.toml")
SEED = 22


@dataclass(frozen=True)
class FuzzRun:
    """What was asked and answered."""

    requests: int
    answers: dict[str, int]  # by class of status; "none" where the connection ended without one
    failures: dict[str, int]
    texts: tuple[str, ...]  # of all answers
    printed: str

    def naming(self, places: Sequence[str]) -> int:
        """Answers in which a path of this machine occurs."""
        return sum(any(place in text for place in places) for text in self.texts)


def fuzz(address: str, folder: Path, checks: str, examples: int, *options: str) -> FuzzRun:
    """Ask everything in a server's OpenAPI document, so many times each beside what is tried of every operation."""
    if not PROGRAM.exists():
        pytest.skip("needs the environment .venv.fuzz: make accept")
    told, traffic = folder / "told.json", folder / "traffic.har"
    command = [str(PROGRAM), "--config-file", str(KNOWN_NAMES), "run", f"{address.rstrip('/')}/openapi.json"]
    command += ["--seed", str(SEED), "--max-examples", str(examples), "--checks", checks, "--workers", "1"]
    command += ["--phases", "coverage,fuzzing", "--continue-on-failure", "--no-shrink", "--generation-database", "none"]
    command += ["--suppress-health-check", "all", "--report-json-path", str(told), "--report-har-path", str(traffic)]
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, check=False)
    assert told.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(told.read_text())
    assert not found["errors"], found["errors"]
    answers = [entry["response"] for entry in json.loads(traffic.read_text())["log"]["entries"]]
    classes = Counter(f"{answer['status'] // 100}xx" if answer["status"] else "none" for answer in answers)
    return FuzzRun(
        len(answers),
        dict(sorted(classes.items())),
        {failure["title"]: failure["count"] for failure in found["failures"]},
        tuple(answer["content"].get("text") or "" for answer in answers),
        done.stdout,
    )
