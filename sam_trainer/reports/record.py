"""What a bench leaves behind for machines: one JSON with rows, and where they come from."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sam_trainer.reports.table import Row

PACKAGES = ("samlabel", "torch", "numpy", "scipy", "opencv-python-headless", "scikit-image", "segment-anything")


@dataclass(frozen=True)
class Report:
    """The result of one bench run."""

    command: str
    seed: int
    rows: Sequence[Row]
    started: float  # time.time()
    facts: dict[str, Any] = field(default_factory=dict)  # e.g. the model and its weights

    def document(self) -> dict[str, Any]:
        """The contract of every `--out` file."""
        return {
            "command": self.command,
            "commit": commit(),
            "machine": machine(),
            "versions": versions(),
            "seed": self.seed,
            "seconds": round(time.time() - self.started, 1),
            **self.facts,
            "rows": list(self.rows),
        }

    def write(self, path: Path) -> None:
        """Write the JSON, one row per line; appears whole or not at all."""
        document = self.document()
        rows = document.pop("rows")
        head = json.dumps(document, indent=1, ensure_ascii=False)
        body = ",\n".join("  " + json.dumps(_finite(row), ensure_ascii=False) for row in rows)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{os.getpid()}.{path.name}")
        part.write_text(f'{head[:-2]},\n "rows": [\n{body}\n ]\n}}\n')
        part.replace(path)


def commit() -> str:
    """The commit of the source tree, marked when files differ from it; "unknown" for an installed package."""
    folder = Path(__file__).parent
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True)
        changes = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", "../../sam_infer", "../../sam_trainer"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("-changed" if changes.stdout.strip() else "")


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch_threads": torch.get_num_threads(),
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that could change a number."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def command_line() -> str:
    """What was typed, without the folder of the program."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def _finite(row: Row) -> Row:
    """JSON knows no NaN or infinity: they become null."""
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
