"""`samlabel predict` on folders and in 3D: what is written, what is skipped, what fails, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from sam_infer.imaging.image_file import read_mask, write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.synthetic.patients import Solid, block, ellipsoid, grid, lesion_photo, render
from samlabel.commands.cli import app, main
from samlabel.offline.predict_folder import images_in
from tests.samlabel.region_growing import RegionGrowing

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def growing(quick_heads: None, monkeypatch: pytest.MonkeyPatch) -> RegionGrowing:
    network = RegionGrowing("encoder")
    monkeypatch.setattr("sam_infer.models.load.load_backbone", lambda name, **_: network)
    return network


def patient(shift: float, slices: int = 16) -> tuple[Volume, Mask]:
    solids = [
        Solid(ellipsoid((0, 0, 0), (70, 55, 90)), 0, 30, 300),
        Solid(block((-46 + shift, -16, -30), (-14 + shift, 18, 34 + shift)), 1, 200, 600),
        Solid(block((16 + shift, -20, -36), (44 + shift, 8, 26)), 2, 200, 800),
    ]
    return render(solids, grid((48, 40, slices), (3.2, 3.2, 112 / slices)), "CT", np.random.default_rng(3), noise=0.2)


@pytest.fixture
def studies(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three scans, two of them with accepted labels, and a damaged file."""
    slices = getattr(request, "param", 16)
    folder = tmp_path / "studies"
    cases = {}
    for name, shift in (("a", 0.0), ("b", 4.0), ("c", -4.0)):
        volume, mask = patient(shift, slices)
        write_image(volume, folder / f"{name}.nii.gz")
        cases[name] = {"labels": {"1": "left", "2": "right"}}
        if name != "c":
            write_mask(mask, folder / "labels" / "final" / f"{name}.nii.gz")
    (folder / "dataset.json").write_text(json.dumps({"cases": cases}))
    (folder / "d.nii.gz").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    return folder


def overlaps(file: Path, truth: np.ndarray) -> list[float]:
    found = read_mask(file).array
    return [
        2 * float(((found == n) & (truth == n)).sum()) / float((found == n).sum() + (truth == n).sum()) for n in (1, 2)
    ]


# A grid asks hundreds of questions on every slice: half as many slices there.
@pytest.mark.parametrize(
    ("auto", "studies", "slices"),
    [("grid", 8, 8), ("selfprompt", 16, 16), ("atlas", 16, 16)],
    indirect=["studies"],
    ids=["grid", "selfprompt", "atlas"],
)
def test_a_folder_is_labelled_by_its_accepted_cases(studies: Path, auto: str, slices: int) -> None:
    """Also those that have an accepted label: each by the others, never by its own."""
    result = run(app, ["predict", str(studies), "--mode", "auto", "--auto", auto])
    assert result.exit_code == 1 and "4 cases: 3 done, 0 finished before, 1 failed" in result.output
    assert "d: d.nii.gz" in result.output
    out = studies.parent / "studies_masks"
    assert min(overlaps(out / "c.nii.gz", patient(-4.0, slices)[1].array)) > 0.7
    own = overlaps(out / "a.nii.gz", patient(0.0, slices)[1].array)
    assert 0.7 < min(own) < 1.0


@pytest.mark.parametrize("studies", [8], indirect=True)
def test_by_default_the_best_mode_is_measured_once_and_said(studies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the accepted cases of the folder; the next run goes by what the first one counted."""
    from sam_trainer.proposals import choice, measuring

    monkeypatch.setattr(choice, "CANDIDATES", choice.CANDIDATES[:1])
    monkeypatch.setattr(measuring, "CANDIDATES", choice.CANDIDATES)
    (studies / "d.nii.gz").unlink()
    result = run(app, ["predict", str(studies), "--mode", "auto"])
    assert result.exit_code == 0, result.output
    record = json.loads((studies.parent / "studies_masks" / "predictions.json").read_text())
    assert record["settings"]["auto"] == "best"
    notes = record["cases"]["c"]["notes"]
    # what it would save here is less than chance saves: the answer says so, with what was counted
    said = [note for note in notes if note.startswith("left: nothing, no mode saves clicks here, start with a click")]
    assert said and "mending atlas" in said[0] and "on 2 accepted cases" in said[0], notes
    monkeypatch.setattr(choice, "count", lambda *_, **__: pytest.fail("counted again"))
    assert run(app, ["predict", str(studies), "--mode", "auto", "--force"]).exit_code == 0


def test_a_second_run_does_only_what_is_missing(studies: Path) -> None:
    (studies / "d.nii.gz").unlink()
    arguments = ["predict", str(studies), "--mode", "3d", "--point", "35,22,8", "--out", "masks"]
    first = run(app, arguments)
    assert first.exit_code == 0 and "3 done, 0 finished before, 0 failed" in first.output
    before = {path.name: path.stat().st_mtime_ns for path in Path("masks").glob("*.nii.gz")}
    (Path("masks") / "b.nii.gz").unlink()
    again = run(app, arguments)
    assert again.exit_code == 0 and "1 done, 2 finished before, 0 failed" in again.output
    after = {path.name: path.stat().st_mtime_ns for path in Path("masks").glob("*.nii.gz")}
    assert set(after) == {"a.nii.gz", "b.nii.gz", "c.nii.gz"} and after["a.nii.gz"] == before["a.nii.gz"]
    forced = run(app, [*arguments, "--force"])
    assert "3 done, 0 finished before" in forced.output
    record = json.loads((Path("masks") / "predictions.json").read_text())
    assert record["settings"]["mode"] == "3d" and set(record["cases"]) == {"a", "b", "c"}


def test_masks_of_other_settings_are_not_mixed(studies: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (studies / "d.nii.gz").unlink()
    arguments = ["predict", str(studies), "--mode", "3d", "--out", "masks"]
    assert run(app, [*arguments, "--point", "35,22,8"]).exit_code == 0
    monkeypatch.setattr("sys.argv", ["samlabel", *arguments, "--point", "10,22,8"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1 and "made by other settings" in capsys.readouterr().err


def test_every_case_may_have_its_own_prompts(studies: Path) -> None:
    (studies / "d.nii.gz").unlink()
    said = {"a": {"point": ["35,22,8"]}, "b": {"box": "7,15,20,27,9"}}
    Path("prompts.json").write_text(json.dumps(said))
    result = run(app, ["predict", str(studies), "--mode", "3d", "--prompts", "prompts.json", "--out", "masks"])
    assert result.exit_code == 1 and "says nothing about c" in result.output and "2 done" in result.output
    truth = {name: patient(shift)[1].array for name, shift in (("a", 0.0), ("b", 4.0))}
    found = {name: read_mask(Path("masks") / f"{name}.nii.gz").array > 0 for name in truth}
    assert 2 * (found["a"] & (truth["a"] == 1)).sum() / (found["a"].sum() + (truth["a"] == 1).sum()) > 0.8
    assert 2 * (found["b"] & (truth["b"] == 2)).sum() / (found["b"].sum() + (truth["b"] == 2).sum()) > 0.8
    Path("prompts.json").write_text(json.dumps({"nobody": {}}))
    refused = run(app, ["predict", str(studies), "--prompts", "prompts.json"])
    assert refused.exit_code == 1 and "no such image" in str(refused.exception)


def test_one_image_in_3d_and_without_a_hint(studies: Path) -> None:
    truth = patient(-4.0)[1].array
    result = run(app, ["predict", str(studies / "c.nii.gz"), "--mode", "3d", "--point", "35,22,8", "--out", "c.nrrd"])
    assert result.exit_code == 0 and "slices" in result.output
    found = read_mask(Path("c.nrrd")).array > 0
    assert 2 * (found & (truth == 1)).sum() / (found.sum() + (truth == 1).sum()) > 0.8
    result = run(app, ["predict", str(studies / "c.nii.gz"), "--mode", "auto", "--auto", "atlas", "--out", "l.nii.gz"])
    assert result.exit_code == 0 and "left 0." in result.output
    assert min(overlaps(Path("l.nii.gz"), truth)) > 0.7


def test_a_photograph_in_3d_is_a_volume_of_one_slice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_image(lesion_photo(np.random.default_rng(1), 96)[0], tmp_path / "mole.png")
    result = run(app, ["predict", "mole.png", "--mode", "3d", "--point", "48,52"])
    assert result.exit_code == 0 and read_mask(tmp_path / "mole_mask.png").array.any()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--mode", "auto", "--point", "1,1,1"], "takes no points"),
        (["--mode", "auto", "--auto", "atlas", "--accepted", "empty"], "no accepted label"),
    ],
)
def test_refusals_say_what_is_wrong(studies: Path, arguments: list[str], word: str) -> None:
    (studies.parent / "empty").mkdir()
    result = run(app, ["predict", str(studies / "c.nii.gz"), *arguments])
    assert result.exit_code == 1 and word in str(result.exception)


@pytest.mark.parametrize("name", ["1.dcm", "IM0001"])
def test_a_dicom_series_is_one_image_whatever_lies_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(128) + b"DICM")
    (tmp_path / "label.nii.gz").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("seen")
    assert images_in(tmp_path) == {}
    (tmp_path / name).unlink()
    assert list(images_in(tmp_path)) == ["label"]


def test_a_hostile_file_costs_one_case(studies: Path) -> None:
    from tests.hostile.corpus import few
    from tests.hostile.memory import peak

    (studies / "d.nii.gz").unlink()
    hostile = {
        f"h{n}": Path(file.written(studies)).rename(studies / f"h{n}{file.suffix}")
        for n, file in enumerate(few())
        if file.suffix != ".dcm"
    }
    with peak() as taken:
        result = run(app, ["predict", str(studies), "--point", "24,20,8", "--out", str(studies.parent / "out")])
    assert (result.exit_code == 1 and result.exception is None) or isinstance(result.exception, SystemExit)
    done = {path.name for path in (studies.parent / "out").glob("*.nii.gz")}
    assert done == {"a.nii.gz", "b.nii.gz", "c.nii.gz"} and f"{len(hostile)} failed" in result.output
    assert taken.mb < 300
