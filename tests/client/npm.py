"""Packages of npm, from the registry that npm is set up for; what cannot be fetched is a skip that says so."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

FETCH_S = 300


def fetched(name: str, version: str, folder: Path) -> Path:
    """The file of a package, as npm packs it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is missing: apt install npm")
    command = [npm, "pack", f"{name}@{version}", "--silent"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the registry of npm does not answer: connect this machine, or set npm's registry")
    if done.returncode:
        pytest.skip(f"npm cannot fetch {name}@{version}: {done.stderr.strip()[:200]}")
    return folder / done.stdout.split()[-1]
