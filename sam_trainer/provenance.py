"""Provenance of a result: versions of packages, the machine, the commit of the source tree."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from sam_trainer.errors import TrainingError

PACKAGES = ("samlabel", "torch", "numpy", "scipy", "opencv-python-headless", "scikit-image", "segment-anything")

UNKNOWN, CHANGED = "unknown", "-changed"

ROOT = Path(__file__).parents[1]

# What may differ from the commit without changing a number: documents, and results themselves.
NOT_SOURCE = (":(exclude)benchmarks/results", ":(exclude)benchmarks/short", ":(exclude)docs", ":(exclude)*.md")

SHOWN_CHANGES = 3


def commit(root: Path = ROOT) -> str:
    """The commit of the source tree, marked when files differ from it; "unknown" for an installed package."""
    try:
        head = _git(root, "rev-parse", "HEAD").strip()
        return head + (CHANGED if changes(root) else "")
    except (OSError, subprocess.CalledProcessError):
        return UNKNOWN


def changes(root: Path = ROOT) -> tuple[str, ...]:
    """Files of the source tree that differ from the commit; results and documents do not count."""
    told = _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", *NOT_SOURCE)
    return tuple(line[3:] for line in told.splitlines())


def require_clean(allow_changed: bool = False, root: Path = ROOT) -> None:
    """Refuse to measure a tree that no commit names, unless that is wanted; the result says so then."""
    if allow_changed or not commit(root).endswith(CHANGED):
        return
    found = changes(root)
    shown = ", ".join(found[:SHOWN_CHANGES]) + (", ..." if len(found) > SHOWN_CHANGES else "")
    raise TrainingError(
        f"the source tree differs from its commit ({shown}), and nobody could measure this again: commit first, or "
        "measure with --allow-changed, and the result says so",
        "allow_changed",
    )


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
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git(root: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True).stdout


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
