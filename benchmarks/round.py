"""How long a round takes: ten cases taught, judged and promoted, as `samlabel train` does it.

    .venv/bin/python benchmarks/round.py --out benchmarks/results/round.json

The cases are procedural (sam_trainer/synthetic/pools.py): six teach, one validates, three judge. `cpu_seconds` is what
all processes took together: on two cores that nobody else uses, a round cannot be faster than half of it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sam_infer.adapters.store import AdapterStore
from sam_infer.imaging.image_file import write_image, write_mask
from sam_trainer.provenance import require_clean
from sam_trainer.reports.record import Report
from sam_trainer.synthetic.lesion_patients import LABELS, picture
from sam_trainer.synthetic.pools import CANDIDATE, JUDGE, WATCH, pool
from sam_trainer.training.progress import read_progress
from sam_trainer.training.run_round import PROGRESS_FILE, training_folder

ROOT = Path(__file__).parents[1]

# Of each role, so many of the ten.
COUNTS = {CANDIDATE: 6, WATCH: 1, JUDGE: 3}


def write_cases(folder: Path, seed: int) -> int:
    """A studies folder of ten labelled cases; their number."""
    described: dict[str, Any] = {}
    for role, count in COUNTS.items():
        for case in [case for case in pool("homogeneous", seed) if case.role == role][:count]:
            image, mask = picture(case.patient)
            write_image(image, folder / f"{case.name}.nii.gz")
            write_mask(mask, folder / "labels" / "final" / f"{case.name}.nii.gz")
            described[case.name] = {"modality": "CT", "labels": {str(value): name for value, name in LABELS.items()}}
    (folder / "dataset.json").write_text(json.dumps({"cases": described}))
    return len(described)


def measure(seed: int, options: list[str]) -> dict[str, Any]:
    """One round in a home of its own; its row."""
    with tempfile.TemporaryDirectory(prefix="samlabel-round-") as folder:
        studies, home = Path(folder) / "studies", Path(folder) / "home"
        cases = write_cases(studies, seed)
        command = [sys.executable, "-m", "samlabel", "train", "--studies", str(studies), "--seed", str(seed), *options]
        started = time.time()
        done = subprocess.run(command, env={**os.environ, "SAMLABEL_HOME": str(home)}, cwd=ROOT, check=False)
        seconds, usage = time.time() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        told = read_progress(training_folder("tiny", home) / PROGRESS_FILE)
        if done.returncode:
            raise SystemExit(told.get("message") or "the round failed")
        store = AdapterStore("tiny", home)
        provenance, verdict = store.get(told["adapter"]).provenance, store.verdict(told["adapter"]) or {}
        return {
            "model": "tiny",
            "method": provenance.method,
            "cases": cases,
            "seed": seed,
            "options": " ".join(options),
            "seconds": round(seconds, 1),
            "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
            "promoted": told["promoted"],
            "epochs": provenance.metrics["epochs"],
            "gain": verdict.get("gain"),
            "gain_low": verdict["intervals"]["gain"][0],
            "gain_high": verdict["intervals"]["gain"][1],
            "load_at_start": round(os.getloadavg()[0], 1),
            **verdict.get("candidate", {}),
        }


def main() -> None:
    """Measure one round and write it down; anything else on the command line goes to `samlabel train`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "round.json")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--allow-changed", action="store_true", help="measure a source tree that no commit names")
    arguments, options = parser.parse_known_args()
    require_clean(arguments.allow_changed)
    started = time.time()
    row = measure(arguments.seed, options)
    command = " ".join([f"benchmarks/round.py --seed {arguments.seed}", *options])
    Report(command, arguments.seed, [row], started).write(arguments.out)
    sys.stdout.write(json.dumps(row, indent=1) + "\n")


if __name__ == "__main__":
    main()
