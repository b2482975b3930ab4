"""The language bench: a small run, its rows, and that it goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sam_trainer.bench.automatic.folds import AutoPlan, folds_of
from sam_trainer.bench.language import named_labels
from sam_trainer.bench.language.run import run_language
from sam_trainer.labels.cases import read_sources
from sam_trainer.reports.journal import Journal
from tests.conftest import BrightNetwork
from tests.sam_trainer.bench.automatic.test_run import Base
from tests.small_studies import ball_case

PLAN = AutoPlan(folds=1, labels=1)


def test_a_small_run_has_all_rows_and_goes_on(tmp_path: Path, one_thread: None, monkeypatch: Any) -> None:
    monkeypatch.setattr("sam_infer.automatic.taught.box_head.STEPS", 3)
    names = {f"ball_{n}": {"modality": "MR", "labels": {"1": "ball"}} for n in range(3)}
    for name in names:
        ball_case(tmp_path / "balls", name)
    (tmp_path / "balls" / "dataset.json").write_text(json.dumps({"cases": names}))
    # copies teach nothing: each gets a voxel of its own
    from sam_infer.imaging.image_file import read_image, write_image
    from sam_infer.imaging.volume import Volume

    for number, name in enumerate(names):
        file = tmp_path / "balls" / f"{name}.nii.gz"
        volume = read_image(file)
        array = volume.array.copy(order="F")
        array[0, 0, 0] = number
        write_image(Volume(array, volume.geometry, "MR"), file)
    folds, journal, kept = folds_of(read_sources(tmp_path / "balls"), PLAN), Journal(), list[int]()
    found = run_language(Base(BrightNetwork()), folds, PLAN, journal, lambda outcome: kept.append(len(outcome.rows)))
    measured = [row for row in found.rows if "iou" in row and row["source"] == "mean"]
    assert [row["looking"] for row in measured] == [named_labels.ANYWHERE, named_labels.ON_ITS_SLICE]
    assert all(row["iou"] >= 0.5 and row["reached"] == 1 and row["steps_to_90"] >= 1 for row in measured)
    assert sum(1 for row in found.rows if row.get("ok")) >= 120 and kept
    (talk, _) = [row for row in found.rows if "said" in row]
    assert talk["said"].startswith("segment ball")
    monkeypatch.setattr(named_labels.NamedLabels, "told", lambda _: pytest.fail("measured again"))
    assert run_language(Base(BrightNetwork()), folds, PLAN, journal).rows == found.rows
