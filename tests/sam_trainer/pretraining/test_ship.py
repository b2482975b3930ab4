import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from safetensors.torch import load_file, save_file

from sam_infer.networks.tiny.backbone import verify_embedded
from sam_infer.networks.tiny.model import TinySam
from sam_trainer.errors import TrainingError
from sam_trainer.pretraining.dependents import old_results
from sam_trainer.pretraining.export import export_weights, write_manifest
from sam_trainer.pretraining.run import LOG_FILE
from sam_trainer.pretraining.ship import Stage, ship, stage_of

STAGE = Stage("rounder things", 7, 21, "192")


def weights_of(value: float, path: Path) -> Path:
    """A file of the architecture in which every number is the same."""
    with torch.random.fork_rng(devices=[]):
        model = TinySam()
    model.load_state_dict({name: torch.full_like(tensor, value) for name, tensor in model.state_dict().items()})
    export_weights(model, path)
    return path


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        weights_of(0.0, Path(folder) / "old.safetensors")
        weights_of(1.0, Path(folder) / "new.safetensors")
        yield Path(folder)


@pytest.fixture
def shipped(made: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    path.write_bytes((made / "old.safetensors").read_bytes())
    write_manifest(path, {"data": "procedural", "stages": [{"stage": 1}]})
    return path


def test_shipped_weights_are_those_of_the_run_and_the_manifest_tells_the_way(made: Path, shipped: Path) -> None:
    digest = ship(made / "new.safetensors", STAGE, shipped=shipped)
    assert verify_embedded(shipped) == digest
    assert float(next(iter(load_file(shipped).values())).float().mean()) == 1.0
    manifest = json.loads(shipped.with_suffix(".json").read_text())
    assert manifest["data"] == "procedural" and [stage["stage"] for stage in manifest["stages"]] == [1, 2]
    assert manifest["stages"][1]["what"] == "rounder things" and manifest["stages"][1]["from"] == "weights of stage 1"
    assert not list(shipped.parent.glob("candidate-*"))


def test_a_share_is_a_part_of_the_way(made: Path, shipped: Path) -> None:
    ship(made / "new.safetensors", STAGE, 0.25, shipped)
    assert float(load_file(shipped)["image_encoder.pos_embed"].float().mean()) == pytest.approx(0.25)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_an_impossible_share_is_refused(made: Path, shipped: Path, share: float) -> None:
    with pytest.raises(TrainingError, match="share"):
        ship(made / "new.safetensors", STAGE, share, shipped)


def test_weights_of_another_network_or_without_numbers_are_refused(made: Path, shipped: Path, tmp_path: Path) -> None:
    before = shipped.read_bytes()
    other, broken = tmp_path / "other.safetensors", tmp_path / "broken.safetensors"
    tensors = load_file(made / "new.safetensors")
    save_file({"weight": torch.zeros(2)}, other)
    save_file({**tensors, "image_encoder.pos_embed": tensors["image_encoder.pos_embed"] * torch.nan}, broken)
    with pytest.raises(TrainingError, match="of this version"):
        ship(other, STAGE, shipped=shipped)
    with pytest.raises(TrainingError, match="not finite"):
        ship(broken, STAGE, shipped=shipped)
    assert shipped.read_bytes() == before


def test_a_stage_is_told_by_the_log(tmp_path: Path) -> None:
    rows = [{"step": 20, "side": 192.0, "images": 60}, {"step": 40, "side": 224.0}, {"step": 60, "side": 256.0}]
    (tmp_path / LOG_FILE).write_text("\n".join(json.dumps(row) for row in [*rows[:2], {**rows[2], "images": 140}]))
    assert stage_of(tmp_path, "rounder things") == Stage("rounder things", 60, 140, "192, 224, 256")
    with pytest.raises(TrainingError, match="what was new"):
        stage_of(tmp_path, "")


def test_results_of_other_weights_are_found(tmp_path: Path) -> None:
    for name, facts in {
        "old": {"weights": "aa", "command": "samlabel bench prompts --out 'a b'"},
        "new": {"weights": "bb"},
        "none": {},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(facts))
    (old,) = old_results(tmp_path, "bb")
    assert old.file.name == "old.json" and old.command[-1] == "a b"
