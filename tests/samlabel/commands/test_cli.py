"""The command line: what it writes, what it says, and its exit codes."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from sam_infer.errors import PromptError
from sam_infer.imaging.cine import Cine
from sam_infer.imaging.image_file import read_cine_mask, read_image, read_mask, write_cine, write_image
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.slices.by_tag import ByTag
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.studies import Studies
from sam_trainer.synthetic.patients import grid, lesion_photo
from samlabel.commands import cli, doctor
from samlabel.commands.cli import COMMANDS, app, main
from samlabel.errors import ConfigError
from samlabel.offline import checks
from samlabel.offline.hints import parsed
from samlabel.server.launcher import ServeOptions, is_loopback, prepare_app_dir, prepare_environment, require_free_port
from tests.samlabel.region_growing import RegionGrowing

run = CliRunner().invoke


@pytest.fixture
def growing(monkeypatch: pytest.MonkeyPatch) -> RegionGrowing:
    network = RegionGrowing("encoder")
    monkeypatch.setattr("sam_infer.models.load.load_backbone", lambda name, **_: network)
    return network


@pytest.fixture
def scan(phantom: tuple[Volume, Mask], tmp_path: Path) -> Path:
    return write_image(phantom[0], tmp_path / "scan.nii.gz")


def called(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of the console script."""
    monkeypatch.setattr("sys.argv", ["samlabel", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_help_lists_every_command_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "load", lambda name: pytest.fail(f"{name} was imported"))
    result = run(app, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)


def test_the_shell_can_complete_commands() -> None:
    assert "--install-completion" in run(app, ["--help"], env={"COLUMNS": "200"}).output


def test_version() -> None:
    assert run(app, ["--version"]).output.strip().count(".") == 2


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str) -> None:
    result = run(app, [name, "--help"])
    assert result.exit_code == 0, result.output
    shown = " ".join(result.output.split())
    assert "<list" not in shown and "no login yet" not in shown and " . " not in shown, "words, and no holes in them"


def test_a_wrong_command_line_is_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    assert called(["predct"], monkeypatch) == 2
    assert called(["predict"], monkeypatch) == 2
    assert called(["serve", "--port", "70000"], monkeypatch) == 2


def test_predict_writes_the_clicked_region_on_the_image_s_grid(
    growing: Any, scan: Path, phantom: tuple[Volume, Mask], tmp_path: Path
) -> None:
    out = tmp_path / "made" / "mask.nii.gz"
    result = run(app, ["predict", str(scan), "--point", "24,12,12", "--point", "10,10,12,-", "--out", str(out)])
    assert result.exit_code == 0, result.output
    mask, truth = read_mask(out), phantom[1].array[..., 12] > 0
    assert mask.geometry.same_as(phantom[0].geometry)
    assert 2 * (mask.array[..., 12].astype(bool) & truth).sum() / (mask.array.sum() + truth.sum()) > 0.9
    assert "score 0.90" in result.output


@pytest.fixture
def beating(tmp_path: Path) -> Path:
    """A cine of three phases in which a block moves."""
    array = np.full((3, 40, 32, 4), 30, np.int16)
    for phase in range(3):
        array[phase, 6 + 4 * phase : 18 + 4 * phase, 8:20, 1:3] = 300
    geometry = grid((40, 32, 4), (1.0, 1.0, 4.0))
    return write_cine(Cine.of([Volume(one, geometry, "MR") for one in array], 0.05), tmp_path / "cine.nii.gz")


@pytest.mark.parametrize(("arguments", "slices"), [(["--along", "time"], [2]), (["--along", "both"], [1, 2])])
def test_predict_through_the_phases_of_a_cine(
    growing: Any, beating: Path, tmp_path: Path, arguments: list[str], slices: list[int]
) -> None:
    out = tmp_path / "mask.nii.gz"
    said = ["--point", "14,14,2", "--phase", "1", *arguments, "--out", str(out), "--preview"]
    result = run(app, ["predict", str(beating), *said])
    assert result.exit_code == 0, result.output
    mask = read_cine_mask(out)
    assert len(mask.phases) == 3 and mask.step_s == pytest.approx(0.05)
    assert mask.geometry.same_as(read_image(beating).geometry)
    for phase, one in enumerate(mask.phases):
        marked = np.argwhere(one.array)
        assert marked.min(axis=0).tolist() == [6 + 4 * phase, 8, slices[0]]
        assert marked.max(axis=0).tolist() == [17 + 4 * phase, 19, slices[-1]]
    assert "in 3 phases, from phase 1" in result.output and (tmp_path / "mask_preview.png").is_file()


def test_predict_looks_at_one_phase(growing: Any, beating: Path, tmp_path: Path) -> None:
    out = tmp_path / "mask.nii.gz"
    result = run(app, ["predict", str(beating), "--point", "20,14,2", "--phase", "2", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert np.argwhere(read_mask(out).array).min(axis=0).tolist() == [14, 8, 2] and "phase 2 of 3" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--point", "14,14,2", "--phase", "3"], "phase must be from 0 to 2, got 3"),
        (["--point", "14,14,2", "--along", "both", "--out", "mask.png"], "does not fit into a .png file"),
        (["--mode", "auto", "--along", "time"], "--along time follows what a point or a box means"),
    ],
)
def test_predict_refuses_what_means_no_phase(
    growing: Any, beating: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(beating.parent)
    assert called(["predict", str(beating), *arguments], monkeypatch) == 1
    assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("arguments", [["--phase", "0"], ["--along", "time"]])
def test_predict_knows_no_phases_of_a_volume(
    growing: Any, scan: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    assert called(["predict", str(scan), "--point", "24,12,12", *arguments], monkeypatch) == 1
    assert "no phases in time" in " ".join(capsys.readouterr().err.split())


def test_predict_by_the_part_for_a_tag(growing: Any, scan: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["predict", str(scan), "--point", "24,12,12", "--force", "--tag"]
    monkeypatch.chdir(scan.parent)
    assert called([*asked, "north"], monkeypatch) == 1 and "was taught no tags" in capsys.readouterr().err
    parts = ByTag("domain", ("north",), growing, lambda tag: RegionGrowing(f"encoder of {tag}"))
    serves = Predictor(growing, EmbeddingCache(), adapter="a" * 64, by_tag=parts)
    monkeypatch.setattr("samlabel.commands.predict._predictor", lambda *_: serves)
    assert "adapter aaaaaaaaaaaa for north" in run(app, [*asked, "North"]).output
    assert called([*asked, "west"], monkeypatch) == 1 and "tag must be one of north" in capsys.readouterr().err


def test_predict_with_a_box_on_a_plane(growing: Any, scan: Path, tmp_path: Path) -> None:
    out = tmp_path / "mask.nrrd"
    result = run(app, ["predict", str(scan), "--box", "5,14,2,36,14,21", "--plane", "coronal", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert set(np.flatnonzero(read_mask(out).array.any(axis=(0, 2)))) == {14}


@pytest.mark.parametrize("arguments", [["--point", "190,210"], ["--point", "190,210,0"], ["--box", "100,110,300,320"]])
def test_predict_on_a_photograph(growing: Any, arguments: list[str], tmp_path: Path, monkeypatch: Any) -> None:
    volume, truth = lesion_photo(np.random.default_rng(1))
    write_image(volume, tmp_path / "mole.png")
    monkeypatch.chdir(tmp_path)
    result = run(app, ["predict", "mole.png", *arguments])
    assert result.exit_code == 0, result.output
    mask = read_mask(tmp_path / "mole_mask.png")
    assert mask.array.shape == truth.array.shape and mask.array[190, 210, 0] in (0, 1)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--point", "1,2"], "point"),
        (["--point", "a,b,c"], "point"),
        (["--point", "99,0,0"], "outside"),
        (["--point", "24,12,12,-"], "background"),
        (["--box", "1,2,3"], "box"),
        (["--box", "1,2,30,30"], "slice"),
        ([], "nothing"),
        (["--point", "24,12,12", "--window", "liver"], "window"),
        (["--point", "24,12,12", "--out", "x.exe"], "x.exe"),
    ],
)
def test_predict_refuses_with_a_sentence(
    growing: Any, scan: Path, arguments: list[str], word: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(scan.parent)
    assert called(["predict", str(scan), *arguments], monkeypatch) == 1
    assert word in capsys.readouterr().err
    assert list(scan.parent.glob("*mask*")) == [] and not (scan.parent / "x.exe").exists()


def test_predict_on_what_is_no_image(growing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.nii.gz").write_bytes(b"")
    assert called(["predict", str(tmp_path / "x.nii.gz"), "--point", "1,1,1"], monkeypatch) == 1
    assert called(["predict", str(tmp_path / "nowhere.nii"), "--point", "1,1,1"], monkeypatch) == 1
    assert called(["predict", str(tmp_path), "--point", "1,1,1"], monkeypatch) == 1  # a folder without DICOM


def test_the_box_takes_its_slice_from_the_points(scan: Path) -> None:
    volume = read_image(scan)
    prompts, marks = parsed(volume, ["24,12,7"], "1,2,30,30", None)
    assert marks.likeliest(2) == 7 and prompts.box is not None and prompts.box.low.tolist() == [1, 2, 7]
    with pytest.raises(PromptError, match="slice"):
        parsed(volume, ["24,12,7", "24,12,8"], "1,2,30,30", None)
    _, marks = parsed(volume, ["24,12,8", "10,10,7"], None, None)
    assert marks.likeliest(2) == 7  # the last one typed, not the last one sorted


def test_a_taken_port_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match="--port"):
            require_free_port("127.0.0.1", port)
        assert called(["serve", "--studies", str(tmp_path), "--port", str(port)], monkeypatch) == 1
    assert str(port) in capsys.readouterr().err


def test_what_the_launcher_tells_the_host(tmp_path: Path) -> None:
    app_dir = prepare_app_dir(tmp_path)
    assert prepare_app_dir(tmp_path) == app_dir
    assert "from samlabel.server.app import SamApp" in (app_dir / "main.py").read_text()
    environ: dict[str, str] = {}
    prepare_environment(ServeOptions("x", conf={"model": "tiny"}), Studies.of("/studies"), app_dir, environ)
    assert json.loads(environ["MONAI_LABEL_APP_CONF"]) == {"model": "tiny"}
    assert environ["MONAI_LABEL_DICOMWEB_CACHE_PATH"] == str(tmp_path / "dicom")
    assert environ["SAMLABEL_HOSTS"] == "localhost,127.0.0.1,::1"
    assert environ["MONAI_LABEL_TRACKING_ENABLED"] == "false" and environ["PYTHONPATH"] == ""
    environ = {}
    prepare_environment(ServeOptions("x", host="0.0.0.0"), Studies.of("/studies"), app_dir, environ)
    assert "SAMLABEL_HOSTS" not in environ


@pytest.mark.parametrize(
    ("host", "closed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("192.168.1.5", False),
        ("pacs", False),
    ],
)
def test_loopback(host: str, closed: bool) -> None:
    assert is_loopback(host) is closed


def test_doctor_names_a_cure_for_every_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "packages", lambda: [checks.Check("numpy", False, "2.1", "run `make setup`")])
    result = run(app, ["doctor", "--studies", str(tmp_path / "typo"), "--out", str(tmp_path / "d.json")])
    assert result.exit_code == 1
    rows = {row["name"]: row for row in json.loads((tmp_path / "d.json").read_text())["rows"]}
    assert not rows["numpy"]["ok"] and not rows["studies"]["ok"]
    assert rows["orientation"]["ok"] and rows["torch pair"]["ok"] and rows["python"]["ok"] and rows["OHIF"]["ok"]
    assert all(row["cure"] for row in rows.values() if not row["ok"])
    assert "make setup" in result.output


def test_this_environment_fits_the_requirements() -> None:
    found = checks.packages()
    assert [check for check in found if not check.ok] == []
    assert len({check.name for check in found}) == len(found)


def test_doctor_on_studies(scan: Path, tmp_path: Path) -> None:
    assert checks.studies(str(scan.parent)).ok
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not checks.studies(str(empty)).ok
    assert not checks.studies("http://127.0.0.1:9/dicom-web").ok
    blocked = tmp_path / "file"
    blocked.touch()
    assert not checks.disk(blocked / "home").ok


def test_doctor_passes_when_all_is_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "examine", lambda home, studies: iter([checks.Check("x", True, "y")]))
    result = run(app, ["doctor"])
    assert result.exit_code == 0 and "1 of 1" in result.output
