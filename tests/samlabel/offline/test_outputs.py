"""What `samlabel predict` may write: nothing that exists without --force, an input never; no case out of a mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sam_infer.imaging.image_file import read_mask, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from samlabel.commands.cli import app
from samlabel.errors import ConfigError
from samlabel.offline.outputs import require_output, require_output_folder, result_file
from samlabel.offline.predict_folder import images_in
from samlabel.store.folder import StudyStore
from tests.samlabel.region_growing import RegionGrowing

POINT = ["--point", "24,12,12"]


@pytest.fixture(autouse=True)
def growing(monkeypatch: pytest.MonkeyPatch) -> RegionGrowing:
    network = RegionGrowing("encoder")
    monkeypatch.setattr("sam_infer.models.load.load_backbone", lambda name, **_: network)
    return network


@pytest.fixture
def scan(phantom: tuple[Volume, Mask], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder holds one scan."""
    monkeypatch.chdir(tmp_path)
    return write_image(phantom[0], tmp_path / "scan.nii.gz")


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["predict", *map(str, words)])


def test_the_input_is_never_replaced(scan: Path) -> None:
    before = scan.read_bytes()
    (scan.parent / "other.nii.gz").symlink_to(scan)
    for out in ("scan.nii.gz", "./scan.nii.gz", "other.nii.gz"):
        for more in ([], ["--force"]):
            refused = run("scan.nii.gz", *POINT, "--out", out, *more)
            assert refused.exit_code == 1 and "never replaced" in str(refused.exception)
    assert scan.read_bytes() == before


def test_an_output_that_exists_is_replaced_by_force_only(scan: Path) -> None:
    assert run(scan, *POINT).exit_code == 0
    mask = scan.parent / "scan_mask.nii.gz"
    mask.write_bytes(b"the work of a day")
    for words in ((scan, *POINT), (scan, *POINT, "--out", mask), (scan, *POINT, "--out", scan.parent)):
        refused = run(*words)
        assert refused.exit_code == 1 and "--out" in str(refused.exception)
    assert mask.read_bytes() == b"the work of a day"
    assert run(scan, *POINT, "--force").exit_code == 0 and read_mask(mask).array.any()


def test_the_images_of_a_folder_are_never_replaced(scan: Path) -> None:
    before = scan.read_bytes()
    for out in (".", scan.parent):
        refused = run(scan.parent, "--mode", "3d", *POINT, "--out", out, "--force")
        assert refused.exit_code == 1 and "choose another folder" in str(refused.exception)
    assert scan.read_bytes() == before and [path.name for path in scan.parent.glob("*.nii.gz")] == ["scan.nii.gz"]


def test_a_mask_of_another_hand_costs_one_case(scan: Path, tmp_path: Path) -> None:
    kept = tmp_path / "masks" / "scan.nii.gz"
    kept.parent.mkdir()
    kept.write_bytes(b"the work of a day")
    words = (tmp_path, "--mode", "3d", *POINT, "--out", "masks")
    refused = run(*words)
    assert refused.exit_code == 1 and "scan.nii.gz exists" in refused.output
    assert kept.read_bytes() == b"the work of a day"
    assert run(*words, "--force").exit_code == 0 and read_mask(kept).array.any()


def test_where_nothing_can_be_written_nothing_is_computed(scan: Path, growing: RegionGrowing) -> None:
    (scan.parent / "file").touch()
    for out in ("/proc/x/m.nii.gz", "file/m.nii.gz"):
        refused = run(scan, *POINT, "--out", out)
        assert refused.exit_code == 1 and "nothing can be written in" in str(refused.exception)
    assert growing.encodes == 0
    with pytest.raises(Exception, match="is a file"):
        require_output_folder(scan.parent / "file", [])
    require_output(scan.parent / "new" / "m.nii.gz", [scan])
    assert not (scan.parent / "new").exists()


def test_results_replace_earlier_results_and_nothing_else(tmp_path: Path, scan: Path) -> None:
    """`--out` of a bench, of `loop report` and of `doctor`."""
    old, other = tmp_path / "old.json", tmp_path / "other.json"
    old.write_text('{"rows": []}')
    other.write_text('{"cases": {}}')
    assert result_file(old) == old and result_file(tmp_path / "new" / "x.json") and result_file(None) is None
    for path, sentence in (
        (other, "no results"),
        (scan, "no results"),
        (tmp_path, "a folder"),
        (Path("/proc/x/y"), "nothing can be written"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            result_file(path)
    refused = CliRunner().invoke(app, ["loop", "report", "--studies", str(tmp_path), "--out", str(scan)])
    assert refused.exit_code == 1 and "choose another file" in str(refused.exception)


def test_masks_beside_images_are_no_cases(scan: Path, phantom: tuple[Volume, Mask]) -> None:
    """Neither of a server, nor of `samlabel next`, nor of a run over the folder."""
    assert run(scan, *POINT).exit_code == 0
    assert run(scan, *POINT, "--out", "mask.nii.gz").exit_code == 0
    write_image(phantom[0], scan.parent / "chest_mask.nii.gz")  # of another hand: an image like any other
    store = StudyStore(str(scan.parent), auto_reload=False)
    assert sorted(store.list_images()) == sorted(images_in(scan.parent)) == ["chest_mask", "scan"]


def test_a_mask_is_a_label_where_labels_lie_and_an_image_where_somebody_says_so(
    scan: Path, phantom: tuple[Volume, Mask]
) -> None:
    final = scan.parent / "labels" / "final"
    write_mask(phantom[1], final / "other.nii.gz")
    assert run(scan, *POINT, "--out", final / "scan.nii.gz").exit_code == 0
    assert run(scan, *POINT, "--out", "mask.nii.gz").exit_code == 0
    store = StudyStore(str(scan.parent), auto_reload=False)
    assert list(store.list_images()) == ["scan"] and store.get_labeled_images() == ["scan"]
    store.add_image("mask", str(scan), None)  # uploaded under the name of a mask
    store.refresh()
    assert sorted(store.list_images()) == ["mask", "scan"]


def test_masks_that_a_run_over_a_folder_wrote_are_no_cases(scan: Path, tmp_path: Path) -> None:
    assert run(tmp_path, "--mode", "3d", *POINT, "--out", "masks").exit_code == 0
    assert json.loads((tmp_path / "masks" / "predictions.json").read_text())["cases"]["scan"]["file"] == "scan.nii.gz"
    assert list(StudyStore(str(tmp_path / "masks"), auto_reload=False).list_images()) == []
