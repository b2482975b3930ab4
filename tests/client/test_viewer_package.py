"""The OHIF that npm has, as `samlabel viewer add` takes it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from samlabel.commands.viewer import app
from samlabel.viewer.installed import TRIED, served_viewer

pytestmark = [pytest.mark.client, pytest.mark.slow, pytest.mark.timeout(600)]

VERSION = "3.13.2"


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """50 MB from the registry that npm is set up for."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is missing: apt install npm")
    command = [npm, "pack", f"@ohif/app@{VERSION}", "--silent"]
    try:
        fetched = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("the registry of npm does not answer: connect this machine, or set npm's registry")
    if fetched.returncode:
        pytest.skip(f"npm cannot fetch @ohif/app@{VERSION}: {fetched.stderr.strip()[:200]}")
    yield tmp_path / f"ohif-app-{VERSION}.tgz"
    shutil.rmtree(tmp_path)  # with what was unpacked a quarter of a gigabyte


def test_the_published_viewer_is_recognised_and_served(package: Path) -> None:
    result = CliRunner().invoke(app, ["add", str(package)], env={"COLUMNS": "300"})
    assert result.exit_code == 0, result.output
    assert "as published" in result.output and TRIED[VERSION] in result.output
    served = served_viewer()
    assert served is not None and served.parent.name == VERSION
    assert b"<html" in (served / "index.html").read_bytes().lower()
    assert "window.config" in (served / "app-config.js").read_text()
    assert any(served.glob("app.bundle.*.js"))
