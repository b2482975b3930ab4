"""`samlabel say`: commands in words on an image file, and on a case of a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from sam_infer.imaging.image_file import read_mask, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from samlabel.commands.say import say
from samlabel.errors import NotFoundError
from samlabel.offline.say_one import image_of
from tests.samlabel.region_growing import RegionGrowing


@pytest.fixture
def folder(phantom: tuple[Volume, Mask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two cases, one of which is labelled; a network that can be computed by hand."""
    volume, mask = phantom
    write_image(volume, tmp_path / "a.nii.gz")
    write_image(Volume(np.asfortranarray(volume.array + 1), volume.geometry, "CT"), tmp_path / "b.nii.gz")
    write_mask(mask, tmp_path / "labels" / "final" / "a.nii.gz")
    network = Predictor(RegionGrowing("encoder"), EmbeddingCache())
    monkeypatch.setattr("samlabel.commands.predict._predictor", lambda model, adapter: network)
    monkeypatch.setattr("sam_infer.automatic.taught.box_head.STEPS", 5)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(*words: str) -> Any:
    app = typer.Typer()
    app.command()(say)
    return CliRunner().invoke(app, list(words))


def test_words_become_a_mask_beside_you(folder: Path, phantom: tuple[Volume, Mask]) -> None:
    found = called("b", "segment object, then propagate", "--studies", str(folder))
    assert found.exit_code == 0, found.exception
    assert "segment object: segment object" in found.stdout and "propagate both" in found.stdout
    mask = read_mask(folder / "b_mask.nii.gz")
    assert mask.geometry.same_as(phantom[0].geometry) and mask.array.any()
    again = called(str(folder / "b.nii.gz"), "expand 3 mm", "--mask", "b_mask.nii.gz", "--out", "c.nii.gz")
    assert again.exit_code == 0 and read_mask(folder / "c.nii.gz").array.sum() > mask.array.sum()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("b.nii.gz", "segment gizzard"), "did you mean"),
        (("b.nii.gz", "undo"), "nothing to undo"),
        (("b.nii.gz", "expand 2 mm; accept", "--mask", "labels/final/a.nii.gz"), "accepted in a viewer"),
        (("b.nii.gz", "undo", "--out", "a.nii.gz"), "exists"),
        (("b.nii.gz", "next slice", "--slice", "99"), "slice must be"),
        (("b.nii.gz", "undo", "--window", "green"), "--window must be"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_written(
    folder: Path, words: tuple[str, ...], sentence: str
) -> None:
    refused = called(*words)
    assert refused.exit_code == 1 and sentence in str(refused.exception)
    assert not (folder / "b_mask.nii.gz").exists()


def test_a_case_is_found_by_its_name(folder: Path) -> None:
    assert image_of(Path("a"), folder) == folder / "a.nii.gz"
    with pytest.raises(NotFoundError, match="has no case"):
        image_of(Path("zzz"), folder)
    with pytest.raises(NotFoundError, match="--studies"):
        image_of(Path("zzz"), None)
