"""`samlabel renew`: what was made with other weights is dropped or named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sam_infer.slices.predictor import NO_ADAPTER
from sam_infer.uncertainty.calibration import Calibration
from sam_infer.weights.prompting import Prompting, RoundPrior
from sam_trainer.judging.calibrate import calibration_file
from sam_trainer.pretraining import train_round_prior
from samlabel.commands.cli import app

run = CliRunner().invoke


@pytest.mark.usefixtures("isolated_home")
def test_renew_drops_a_calibration_and_names_results_of_other_weights(tmp_path: Path) -> None:
    kept = calibration_file("tiny", NO_ADAPTER)
    Calibration(2.0, 6, 2).write(kept)
    (tmp_path / "old.json").write_text(json.dumps({"weights": "ab" * 32, "command": "samlabel bench clicks"}))
    done = run(app, ["renew", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "old.json tells of other weights (abababababab): samlabel bench clicks" in done.output
    assert not kept.exists()


@pytest.mark.usefixtures("isolated_home")
def test_weights_are_not_embedded_without_a_word_on_what_is_new(tmp_path: Path) -> None:
    done = run(app, ["renew", "--weights", str(tmp_path)])
    assert done.exit_code == 1


def test_the_round_prior_of_a_model_is_written_into_its_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = RoundPrior(-2.0, 3.0, -1.0)
    monkeypatch.setattr(train_round_prior, "train_round_prior", lambda *about: prior)
    done = run(app, ["pretrain-round-prior", "--out", str(tmp_path), "--scenes", "10"])
    assert done.exit_code == 0, done.output
    facts = json.loads((tmp_path / "prompting-tiny.json").read_text())
    assert facts["round_prior"] == {"base": -2.0, "agreement": 3.0, "score": -1.0}
    assert facts["looks_again"] == Prompting.of("tiny").looks_again
    unknown = run(app, ["pretrain-round-prior", "--model", "none-such", "--out", str(tmp_path)])
    assert unknown.exit_code == 1 and "none-such" in unknown.output
