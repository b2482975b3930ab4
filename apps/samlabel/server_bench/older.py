"""A server of an earlier commit, run by this environment: what it was then, on the machine of today."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from samlabel.server_bench.server_process import Launch, ServerError

# The packages of a checkout, and where they were in earlier ones.
PACKAGES = {
    "samlabel": ("apps/samlabel", "apps/sam"),
    "sam_infer": ("sam_infer",),
    "sam_trainer": ("sam_trainer",),
}


def checked_out(commit: str, folder: Path, repository: Path = Path()) -> Path:
    """The packages of a commit under `folder`; where they can be imported from."""
    made = subprocess.run(["git", "archive", commit], cwd=repository, capture_output=True, check=False)
    if made.returncode:
        raise ServerError(
            f"commit {commit} cannot be read ({made.stderr.decode().strip()}): clone with the whole history, or name "
            "another commit",
            "commit",
        )
    files, packages = folder / "files", folder / "packages"
    with tarfile.open(fileobj=BytesIO(made.stdout)) as archive:
        archive.extractall(files, filter="data")
    packages.mkdir()
    for name, places in PACKAGES.items():
        found = next((files / place for place in places if (files / place / "__init__.py").exists()), None)
        if found is None:
            raise ServerError(f"commit {commit} has no package {name}: name a later one", "commit")
        (packages / name).symlink_to(found.resolve())
    return packages


def of_commit(mine: Launch, packages: Path, folder: Path) -> Launch:
    """The same command with the packages of another commit, and a home of its own."""
    folder.mkdir(parents=True)
    environ = {**mine.environ, "SAMLABEL_HOME": str(folder / "home"), "PYTHONPATH": str(packages)}
    return replace(mine, name="other", environ=environ, folder=folder)
