import json
from pathlib import Path

import pytest

from sam_trainer.errors import TrainingError
from sam_trainer.lessons.prompt_batch import BatchShape
from sam_trainer.pretraining import ablation
from sam_trainer.pretraining.arms import ARMS, GROUPS, arms_table, compare_arms
from sam_trainer.pretraining.config import Leg, PretrainConfig
from sam_trainer.synthetic.appearance import SHARES

pytestmark = pytest.mark.usefixtures("one_thread", "in_float32")


def test_the_groups_share_out_all_kinds_of_scene() -> None:
    assert sorted(kind for kinds in GROUPS.values() for kind in kinds) == sorted(SHARES)
    assert ARMS["mixed"] == ()


def test_arms_are_trained_judged_and_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "HELD_OUT_BATCHES", 1)
    config = PretrainConfig(out=tmp_path, steps=1, legs=(Leg(1.0, BatchShape(64, 1, 1)),), answers=(1,))
    rows = compare_arms(config, ["fine"], tmp_path / "arms.json")
    assert [row["arm"] for row in rows] == ["none: as it was", "fine"] and rows[1]["images"] == 1
    assert "\n| fine | 1 | " in arms_table(rows)
    kept = json.loads((tmp_path / "arms.json").read_text())
    assert kept["complete"] is False and kept["commit"]  # three arms are missing
    assert compare_arms(config, ["fine"], tmp_path / "arms.json") == kept["rows"]  # nothing is trained again
    with pytest.raises(TrainingError, match="no arm thick"):
        compare_arms(config, ["thick"], tmp_path / "arms.json")
