"""`samlabel renew`: what was made with other weights is dropped or named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sam_infer.slices.predictor import NO_ADAPTER
from sam_infer.uncertainty.calibration import Calibration
from sam_trainer.judging.calibrate import calibration_file
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
