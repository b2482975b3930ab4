"""A mask can be judged by eye: the object's colour lies where the mask does, on the way up that radiologists know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sam_infer.imaging.image_file import read_mask, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import grid, lesion_photo
from samlabel.commands.cli import app
from samlabel.offline.predict_folder import images_in
from samlabel.offline.preview import COLOURS, SHEET, SIDE, preview, write_contact_sheet
from tests.samlabel.region_growing import RegionGrowing


@pytest.fixture(autouse=True)
def growing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sam_infer.models.load.load_backbone", lambda name, **_: RegionGrowing("encoder"))


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["predict", *map(str, words)])


def coloured(picture: Image.Image, number: int = 1) -> np.ndarray:
    """Where a picture shows a label's own colour."""
    return np.asarray((np.asarray(picture).astype(int) - COLOURS[number - 1] == 0).all(axis=2))


def test_three_planes_show_where_the_mask_is() -> None:
    """20 x 10 x 8 voxels of 1 x 1 x 2.5 mm: planes of 20 x 10, 20 x 20 and 10 x 20 mm."""
    geometry = grid((20, 10, 8), (1.0, 1.0, 2.5))
    grey, labels = np.full((20, 10, 8), 100, np.int16, order="F"), np.zeros((20, 10, 8), np.uint8, order="F")
    grey[0, 0, 0] = 400
    labels[12:18, 2:8, 5:7] = 1
    picture = preview(Volume(grey, geometry, "MR"), Mask(labels, geometry))
    assert picture.size == (SIDE + SIDE + SIDE // 2, SIDE)
    along_k = coloured(picture.crop((0, 0, SIDE, SIDE // 2)))
    rows, cols = np.nonzero(along_k)
    view = Volume(grey, geometry, "MR").view(2, 5)
    shown = np.nonzero(view.extract(labels))
    for found, stored, pixels in ((rows, shown[0], SIDE / 20), (cols, shown[1], SIDE / 20)):
        assert abs(found.min() / pixels - stored.min()) < 0.7 and abs(found.max() / pixels - stored.max()) < 1.2
    empty = preview(Volume(grey, geometry, "MR"), Mask.empty(geometry))
    assert not coloured(empty).any() and empty.size == picture.size


def test_predict_writes_a_preview_that_is_no_case(
    phantom: tuple[Volume, Mask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(phantom[0], tmp_path / "scan.nii.gz")
    click = ("scan.nii.gz", "--point", "24,12,12", "--preview")
    assert run(*click).exit_code == 0
    with Image.open("scan_mask_preview.png") as picture:
        assert coloured(picture).any()
    assert list(images_in(tmp_path)) == ["scan"]
    Path("scan_mask.nii.gz").unlink()
    refused = run(*click)
    assert refused.exit_code == 1 and "scan_mask_preview.png exists" in str(refused.exception)
    assert run(*click, "--force").exit_code == 0


def test_one_name_says_what_a_box_means(tmp_path: Path) -> None:
    """A label that is thin by its name: the lines in the box, not the region between them."""
    grey = np.full((120, 120), 150, np.uint8)
    rows = np.arange(20, 100)
    grey[rows, rows] = grey[rows, rows - 1] = grey[rows, 119 - rows] = grey[rows, 118 - rows] = 60
    Image.fromarray(grey).save(tmp_path / "eye.png")
    found = {}
    for labels in ("vessels", "disc", "vessels,disc"):
        out = tmp_path / f"{labels}.nii.gz"
        told = run(tmp_path / "eye.png", "--box", "19,20,99,99", "--labels", labels, "--out", out)
        assert told.exit_code == 0 and ("these are ridges in the box" in told.output) == (labels == "vessels")
        found[labels] = read_mask(out).array[..., 0].T > 0
    assert (found["vessels"] & (grey == 60)).sum() > 0.8 * (grey == 60).sum() and found["vessels"].mean() < 0.1
    assert not np.array_equal(found["disc"], found["vessels"])
    assert np.array_equal(found["disc"], found["vessels,disc"])


def test_a_folder_gets_one_contact_sheet(phantom: tuple[Volume, Mask], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        write_image(phantom[0], tmp_path / "studies" / f"{name}.nii.gz")
    (tmp_path / "studies" / "damaged.nii.gz").write_bytes(b"no image")
    done = run("studies", "--mode", "3d", "--point", "24,12,12", "--preview")
    assert done.exit_code == 1 and "2 done" in done.output and SHEET in done.output
    with Image.open(tmp_path / "studies_masks" / SHEET) as sheet:
        left, right = sheet.crop((0, 0, sheet.width // 2, sheet.height)), sheet.crop((sheet.width // 2, 0, *sheet.size))
        assert np.asarray(left).max() > 0 and np.asarray(right).max() > 0
    again = run("studies", "--mode", "3d", "--point", "24,12,12", "--preview")
    assert "2 finished before" in again.output and SHEET in again.output


def test_a_photograph_keeps_its_colours(tmp_path: Path) -> None:
    volume, truth = lesion_photo(np.random.default_rng(1), 64)
    picture = preview(volume, truth)
    assert picture.size == (SIDE, SIDE) and coloured(picture).any()
    write_image(volume, tmp_path / "mole.png")
    write_mask(truth, tmp_path / "mask.png")
    assert write_contact_sheet([("mole", tmp_path / "mole.png", tmp_path / "mask.png")], tmp_path / SHEET)
    assert write_contact_sheet([("gone", tmp_path / "gone.png", tmp_path / "mask.png")], tmp_path / "none.png") is None
