"""Packages of an earlier commit, wherever they lay then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from samlabel.server_bench.older import checked_out, of_commit
from samlabel.server_bench.server_process import Launch, ServerError


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit with the app where it was at first."""
    folder = tmp_path / "repository"
    for place in ("apps/sam", "sam_infer", "sam_trainer"):
        (folder / place).mkdir(parents=True)
        (folder / place / "__init__.py").write_text(f"PLACE = {place!r}\n")
    git(tmp_path, "init", "--quiet", str(folder))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


def test_the_packages_of_then_are_imported_first(repository: Path, tmp_path: Path) -> None:
    then = git(repository, "rev-parse", "HEAD")
    git(repository, "mv", "apps/sam", "apps/samlabel")
    git(repository, "commit", "--quiet", "-am", "second")
    mine = Launch("samlabel", "tiny", [], dict(os.environ), tmp_path)
    for number, (commit, place) in enumerate(((then, "apps/sam"), ("HEAD", "apps/sam"))):
        packages = checked_out(commit, tmp_path / str(number), repository)
        other = of_commit(mine, packages, tmp_path / f"other{number}")
        said = subprocess.run(
            [sys.executable, "-c", "import samlabel; print(samlabel.PLACE)"],
            env=dict(other.environ),
            cwd=other.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        assert said.stdout.strip() == place
        assert (packages / "samlabel").resolve().name == ("sam", "samlabel")[number]
        assert other.environ["SAMLABEL_HOME"].startswith(str(other.folder))


def test_a_commit_that_is_not_there_is_said(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"commit ffffff cannot be read .*whole history"):
        checked_out("ffffff", tmp_path / "x", repository)
    git(repository, "rm", "-r", "--quiet", "sam_infer")
    git(repository, "commit", "--quiet", "-m", "without")
    with pytest.raises(ServerError, match="has no package sam_infer"):
        checked_out("HEAD", tmp_path / "y", repository)
