"""The long benches of `make accept`: every table of the model card, written again.

They run on the demo studies, and on the folder of labelled studies in SAMLABEL_VALIDATION where it is set (or
`../shared/data` where it exists beside the checkout). Results go to benchmarks/results.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path("benchmarks") / "results"


def validation_folder() -> str | None:
    """Labelled studies outside the project, if there are any."""
    for candidate in (os.environ.get("SAMLABEL_VALIDATION"), "../shared/data"):
        if candidate and (ROOT / candidate).is_dir():
            return candidate
    return None


def main() -> int:
    """Run every bench; the exit code counts those that failed."""
    runs = [("demo", "demo-")]
    validation = validation_folder()
    if validation is not None:
        runs.append((validation, ""))
    failed = 0
    for studies, prefix in runs:
        for bench in ("prompts", "clicks", "robustness", "volumes", "latency"):
            out = RESULTS / f"{prefix}{bench}.json"
            command = [sys.executable, "-m", "samlabel", "bench", bench, "--studies", studies, "--out", str(out)]
            failed += subprocess.run(command, cwd=ROOT, check=False).returncode != 0
    for words in (*few_cases(validation), servers(), *active_learning(validation)):
        command = [sys.executable, "-m", "samlabel", "bench", *words]
        failed += subprocess.run(command, cwd=ROOT, check=False).returncode != 0
    return failed


def few_cases(validation: str | None) -> list[list[str]]:
    """What a few accepted cases are worth: procedural patients, then real folders case by case (an hour each)."""
    runs = [["train", "--threads", "1", "--out", str(RESULTS / "train.json")]]
    if validation is not None:
        folders = ["--studies", validation, "--no-procedural", "--methods", "lora"]
        runs.append(["train", "--threads", "1", *folders, "--out", str(RESULTS / "train-folders.json")])
    return runs


def servers() -> list[str]:
    """Our server and the stock one side by side: a click, new slices, ten readers, a training beside (16 minutes)."""
    models, out = ["--model", "tiny,vit_b"], ["--out", str(RESULTS / "server_latency.json")]
    return [
        "latency",
        "--servers",
        "--stock",
        "runs/stock",
        *models,
        "--repeats",
        "15",
        "--threads",
        "2",
        "--readers-seconds",
        "30",
        *out,
    ]


def active_learning(validation: str | None) -> list[list[str]]:
    """Doubt against true error, and whole projects by several strategies on the frozen pools (up to an hour)."""
    runs = [
        ["uncertainty", "--slices", "2", "--out", str(RESULTS / "uncertainty.json")],
        ["loop", "--out", str(RESULTS / "loop.json")],
    ]
    if validation is not None:
        folders = ["--studies", validation, "--slices", "3", "--labels", "2"]
        runs.append(["uncertainty", *folders, "--out", str(RESULTS / "uncertainty-folders.json")])
    return runs


if __name__ == "__main__":
    sys.exit(main())
