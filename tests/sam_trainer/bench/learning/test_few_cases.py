"""The learning bench: paired differences, what is trained in which order, and a whole small run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sam_infer.models.load import load_network
from sam_trainer.bench.learning import one_training
from sam_trainer.bench.learning.few_cases import SEMANTIC, _folds, _trainings
from sam_trainer.bench.learning.few_cases_plan import Plan, choices, numbers
from sam_trainer.bench.learning.few_cases_run import run_train
from sam_trainer.bench.runs import Outcome
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case, Source, read_sources
from sam_trainer.measures.paired import paired_gain
from sam_trainer.reports.record import Report
from sam_trainer.synthetic import anatomies as drawn_patients
from sam_trainer.synthetic.anatomies import anatomies, patient
from tests.small_studies import flat_case


def test_a_gain_counts_patients_not_questions() -> None:
    """Ten questions about one patient are no more evidence than one."""
    before = {f"p{n}": [0.5] for n in range(12)}
    after = {case: [0.5 + 0.01 * n] for n, case in enumerate(before)}
    found = paired_gain(after, before)
    assert found.mean == pytest.approx(0.055) and 0 < found.low < found.mean < found.high and found.cases == 12
    repeated = paired_gain({case: values * 10 for case, values in after.items()}, before)
    assert repeated.low == pytest.approx(found.low) and repeated.high == pytest.approx(found.high)
    assert paired_gain(before, before) == paired_gain(before, {**before})
    with pytest.raises(ValueError, match="same cases"):
        paired_gain(after, {"p0": [1.0]})


def test_the_headline_is_measured_first_and_nothing_twice() -> None:
    found = list(_trainings(Plan()))
    assert found[:6] == [(5, method, seed) for seed in range(3) for method in ("lora", "unet")]
    assert len(found) == len(set(found)) == 4 * 4 + 2 * 2
    assert {(count, method) for count, method, _ in found} == {
        (count, method) for count in (1, 2, 5, 10) for method in ("lora", "decoder", "full", "unet")
    }
    assert list(_trainings(Plan(counts=(2,), methods=("full",)))) == [(2, "full", 0), (2, "unet", 0)]


def test_no_patient_is_both_taught_and_asked(tmp_path: Path) -> None:
    one, other = patient((0, 3)), patient((1000, 3))
    assert not np.array_equal(one[0].array, other[0].array)
    assert np.array_equal(patient((0, 3))[0].array, one[0].array)
    assert set(np.unique(one[1].array)) == {0, 1, 2, 3, 4, 5, 6}
    first, again = anatomies(tmp_path, 2, 5), anatomies(tmp_path, 1, 5)
    assert [case.name for case in first] == ["patient_5_00", "patient_5_01"] and again == first[:1]


def test_only_cases_that_share_a_label_are_left_out() -> None:
    def case(name: str, *labels: str) -> Case:
        return Case("s", name, Path(name), Path(name), "CT", dict(enumerate(labels, 1)), {})

    a, b, c = case("a", "liver", "spleen"), case("b", "spleen", "aorta"), case("c", "bone")
    folds = list(_folds(Source("s", (a, b, c))))
    assert [(fold.case.name, [o.name for o in fold.others], set(fold.shared)) for fold in folds] == [
        ("a", ["b"], {"spleen"}),
        ("b", ["a"], {"spleen"}),
    ]


def test_words_of_the_command_line() -> None:
    assert numbers("5, 1,5") == (1, 5) and choices("full,lora") == ("full", "lora")
    with pytest.raises(TrainingError, match="cases must be numbers from 1 on"):
        numbers("1,none")
    with pytest.raises(TrainingError, match="methods must be some of lora, decoder, full"):
        choices("lora,magic")


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread", "in_float32")
def test_a_small_run_measures_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step teaches nothing; what counts is that every row is there and that rows are kept at every stage."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(drawn_patients, "SHAPE", (56, 46, 6))
    monkeypatch.setattr(drawn_patients, "SPACING_MM", (5.8, 5.8, 22.0))
    for n, name in enumerate(("a", "b")):
        flat_case(tmp_path / "real" / "flat", name, n)
    facts = {"labels": {"1": "disk", "2": "ring", "3": "core"}, "includes": {"2": ["3"]}}
    (tmp_path / "real" / "flat" / "dataset.json").write_text(json.dumps({"cases": {"a": facts, "b": facts}}))
    plan = Plan((1,), ("decoder",), 1, held_out=2, objects=1, epochs=1, steps=1, semantic_steps=1, left_out_epochs=1)
    stages: list[Outcome] = []
    outcome = run_train(load_network("tiny"), plan, tmp_path / "made", read_sources(tmp_path / "real"), stages.append)
    means = {(row["source"], row["method"]): row for row in outcome.rows if row.get("label") == "all"}
    assert set(means) == {("procedural", m) for m in ("none", "decoder", "unet")} | {
        ("flat", m) for m in ("none", "lora", "unet")
    }
    none, trained = means["procedural", "none"], means["procedural", "decoder"]
    assert none["parameters"] == 0 and 0 < none["dice_1click"] <= 1 and SEMANTIC not in none
    assert trained["cases"] == 1 and trained["held_out"] == 2 and 0 <= trained[SEMANTIC] <= 1 and trained["seconds"] > 0
    assert means["procedural", "unet"]["parameters"] > 3_000_000 and "dice_1click" not in means["procedural", "unet"]
    gains = [row for row in outcome.rows if "gain" in row]
    assert {(row["source"], row["measure"]) for row in gains} == {
        (source, measure) for source in ("procedural", "flat") for measure in (*one_training.MEASURES, SEMANTIC)
    }
    assert all(row["ci_low"] <= row["gain"] <= row["ci_high"] for row in gains)
    assert [len(stage.rows) for stage in stages] == sorted({len(stage.rows) for stage in stages}) and len(stages) == 3
    Report("test", 0, outcome.rows, 0.0).write(tmp_path / "train.json")
    assert len(json.loads((tmp_path / "train.json").read_text())["rows"]) == len(outcome.rows)
    assert outcome.page.write(tmp_path / "page", "train").exists()
