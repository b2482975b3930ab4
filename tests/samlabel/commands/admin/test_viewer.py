"""`samlabel viewer`: what it prints, what it exits with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from samlabel.commands.admin.viewer import app
from samlabel.viewer.installed import hashes, served_viewer
from tests.samlabel.viewer.test_installed import package


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})


def test_add_list_and_use(tmp_path: Path) -> None:
    file = package(tmp_path / "ohif.tgz")
    result = run("add", str(file))
    assert result.exit_code == 0, result.output
    assert "OHIF 9.1.0 added and served: 4 files" in result.output and "not tried with this server" in result.output
    assert all(text in result.output for text in (*hashes(file), "npm view @ohif/app@9.1.0 dist"))
    served = served_viewer()
    assert served is not None and served.parent.name == "9.1.0"
    listed = run("list").output.splitlines()
    assert "yes" not in next(line for line in listed if line.startswith("builtin"))
    assert "yes" in next(line for line in listed if line.startswith("9.1.0"))
    assert run("use", "builtin").exit_code == 0 and served_viewer() is None


def test_a_refusal_is_a_sentence_and_exit_code_1(tmp_path: Path) -> None:
    other = run("add", str(package(tmp_path / "core.tgz", name="@ohif/core")))
    assert other.exit_code == 1 and "expected '@ohif/app'" in other.output
    assert run("use", "9.9.9").exit_code == 1
    wrong = run("add", str(package(tmp_path / "a.tgz")), "--integrity", "sha512-AAAA")
    assert wrong.exit_code == 1 and "another file than expected" in wrong.output
    assert run("add", str(tmp_path / "nothing.tgz")).exit_code == 2
