"""The learning bench: paired differences, what is trained in which order, a small run broken off and gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sam_infer.models.load import load_network
from sam_trainer.bench.learning import one_training
from sam_trainer.bench.learning.arms import ARMS, DEFAULT, choices, numbers
from sam_trainer.bench.learning.few_cases import SEMANTIC, Outcomes, gains
from sam_trainer.bench.learning.few_cases_plan import Plan, Training, left_out, procedural
from sam_trainer.bench.learning.few_cases_run import run_train, trainings_of
from sam_trainer.bench.learning.one_training import Mark, Taught
from sam_trainer.bench.learning.samed import SamedNamer, samed_loss
from sam_trainer.bench.runs import Outcome
from sam_trainer.errors import TrainingError
from sam_trainer.judging.gate import SemanticScore
from sam_trainer.labels.cases import Case, Source, read_sources
from sam_trainer.measures.paired import paired_gain
from sam_trainer.methods.method import adapt
from sam_trainer.methods.trainable import trainable
from sam_trainer.reports.journal import Journal
from sam_trainer.synthetic import anatomies as drawn_patients
from sam_trainer.synthetic.anatomies import anatomies, patient
from tests.small_studies import flat_case

# Trainings that a power cut costs.
LOST = 3

TINY = Plan(counts=(1,), seeds=1, folds=1, held_out=2, objects=1, budget=0.1, workers=1)


@pytest.fixture
def small_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn_patients, "SHAPE", (56, 46, 6))
    monkeypatch.setattr(drawn_patients, "SPACING_MM", (5.8, 5.8, 22.0))


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


@pytest.mark.usefixtures("small_patients")
def test_the_headline_is_measured_first_and_nothing_twice(tmp_path: Path) -> None:
    found = list(procedural(replace(Plan(), held_out=3, counts=(1, 5)), tmp_path))
    assert (found[0].method, len(found[0].asked)) == ("none", 3)
    assert [(len(t.teaching), t.method, t.seed) for t in found[1:4]] == [(5, "lora", seed) for seed in range(3)]
    assert len({t.key for t in found}) == len(found) == 1 + 2 * 3 * len(DEFAULT)
    assert {t.method for t in found} == {"none", "lora", "lora+decoder", "decoder", "full", "unet"}
    assert not {case.name for t in found for case in t.teaching} & {case.name for case in found[0].asked}


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
    folds = list(left_out(replace(TINY, methods=("lora",), folds=2), [Source("s", (a, b, c))]))
    assert [(t.method, t.asked[0].name, [o.name for o in t.teaching], set(t.labels or ())) for t in folds] == [
        (method, *fold) for method in ("none", "lora") for fold in (("a", ["b"], {"spleen"}), ("b", ["a"], {"spleen"}))
    ]
    assert {t.source for t in left_out(TINY, [Source("s", (a, b)), Source("t", (a, b))])} == {"s", "t"}
    assert {t.source for t in left_out(replace(TINY, only=("t",)), [Source("s", (a, b)), Source("t", (a, b))])} == {"t"}
    with pytest.raises(TrainingError, match="there is no labelled folder u"):
        list(left_out(replace(TINY, only=("t", "u")), [Source("t", (a, b))]))
    many = Source("s", tuple(case(str(n), "liver") for n in range(9)))
    assert len(list(left_out(replace(Plan(), methods=("lora",)), [many]))) == 2 * 3
    seeds = list(left_out(replace(Plan(), methods=("lora",), folder_seeds=3, limit=2), [many]))
    assert len(seeds) == 2 + 3 * 2 and len({t.key for t in seeds}) == len(seeds)


def test_words_of_the_command_line() -> None:
    assert numbers("5, 1,5") == (1, 5) and choices("full,lora+decoder") == ("full", "lora+decoder")
    with pytest.raises(TrainingError, match="cases must be numbers from 1 on"):
        numbers("1,none")
    with pytest.raises(TrainingError, match=r"methods must be all, or some of lora, lora.decoder, decoder, full"):
        choices("lora,magic")


def test_lora_alone_trains_nothing_else_and_a_budget_is_a_number_of_steps() -> None:
    trained = {}
    for name in ("lora", "lora+decoder", "decoder"):
        config = ARMS[name].config(60, 0, "float32")
        trained[name] = sum(p.numel() for p in adapt(trainable(load_network("tiny")).network, config).parameters())
        assert config.steps == round(60 / ARMS[name].step_seconds) == ARMS[name].steps(60)
    assert trained["lora+decoder"] == trained["lora"] + trained["decoder"] and trained["lora"] < 40_000
    assert ARMS["lora"].config(60, 0, "float32").semantic_images == 0
    assert ARMS["unet"].steps(0.001) == 1


def test_samed_gives_one_mask_more_than_labels_and_its_loss_falls_with_the_truth() -> None:
    base = load_network("tiny")
    namer = SamedNamer(base, ("core", "disk", "ring"), 0)
    with torch.inference_mode():
        features = trainable(base).encode(torch.zeros(2, 3, 256, 256))
        assert namer._samed.logits(features).shape == (2, 4, 64, 64)
    assert namer.head_parameters < namer.parameters
    numbers_of = torch.zeros(1, 256, 256, dtype=torch.long)
    numbers_of[:, 64:128, 64:128] = 2
    right = torch.full((1, 4, 64, 64), -8.0)
    right[:, 0] = 8.0
    right[:, 0, 16:32, 16:32], right[:, 2, 16:32, 16:32] = -8.0, 8.0
    wrong = right.clone()
    wrong[:, [1, 2]] = wrong[:, [2, 1]]
    assert float(samed_loss(right, numbers_of)) < 0.45 < float(samed_loss(wrong, numbers_of))


def test_a_kind_is_compared_with_lora_on_the_seeds_that_both_had() -> None:
    def learned(method: str, seed: int, value: float) -> Outcomes:
        marks = [Mark(case, "liver", dict.fromkeys(one_training.MEASURES, value)) for case in ("a", "b")]
        names = [SemanticScore(case, "liver", value) for case in ("a", "b")]
        return Outcomes("s", method, 2, seed, Taught(), marks, names)

    found = list(gains([learned("hyper", 0, 0.75), learned("lora+decoder", 0, 0.5), learned("lora+decoder", 1, 0.9)]))
    assert {(row["method"], row["over"], row["seeds"], row["gain"]) for row in found} == {
        ("hyper", "lora+decoder", 1, 0.25)
    }
    assert {row["measure"] for row in found} == {*one_training.MEASURES, SEMANTIC}
    assert {row["verdict"] for row in found} == {"gain"}


@pytest.fixture
def real_folder(tmp_path: Path) -> Path:
    for n, name in enumerate(("a", "b")):
        flat_case(tmp_path / "real" / "flat", name, n)
    facts = {"labels": {"1": "disk", "2": "ring", "3": "core"}, "includes": {"2": ["3"]}}
    (tmp_path / "real" / "flat" / "dataset.json").write_text(json.dumps({"cases": {"a": facts, "b": facts}}))
    return tmp_path / "real"


def timeless(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.accept
@pytest.mark.usefixtures("one_thread", "in_float32", "small_patients")
def test_a_run_that_breaks_off_goes_on_to_the_same_rows(tmp_path: Path, real_folder: Path) -> None:
    """A step teaches nothing; what counts is that every row is there, and the same."""
    plan = replace(TINY, methods=("unet", "samed", "untapped", "lora+decoder", "lora"))
    trainings = trainings_of(plan, tmp_path / "made", read_sources(real_folder))
    stages: list[Outcome] = []
    journal, origin = tmp_path / "train.json.journal", {"command": "bench train"}
    unbroken = run_train("tiny", plan, trainings, Journal(journal, origin), stages.append)
    check_every_row(unbroken, stages, len(trainings))
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-LOST]) + lines[-LOST][:40])  # the power fails while a line is written
    fresh: list[Outcome] = []
    again = run_train("tiny", plan, trainings, Journal(journal, origin, resume=True), fresh.append)
    assert len(fresh) == LOST and timeless(again.rows) == timeless(unbroken.rows)


def check_every_row(outcome: Outcome, stages: list[Outcome], trainings: int) -> None:
    means = {(row["source"], row["method"]): row for row in outcome.rows if row.get("label") == "all"}
    arms = ("none", "unet", "samed", "untapped", "lora+decoder", "lora")
    assert set(means) == {(source, arm) for source in ("procedural", "flat") for arm in arms}
    none, alone, taught = (means["procedural", arm] for arm in ("none", "lora", "lora+decoder"))
    assert none["parameters"] == 0 and 0 < none["dice_1click"] <= 1 and SEMANTIC not in none
    assert alone["head_parameters"] == 0 and SEMANTIC not in alone and alone["parameters"] < taught["parameters"]
    assert taught["cases"] == 1 and taught["held_out"] == 2 and 0 <= taught[SEMANTIC] <= 1 and taught["seconds"] > 0
    assert means["procedural", "untapped"]["head_parameters"] < taught["head_parameters"]
    assert means["procedural", "unet"]["head_parameters"] > 3_000_000
    assert "dice_1click" not in means["procedural", "unet"] and means["procedural", "unet"]["megabytes"] > 12
    gains = [row for row in outcome.rows if "gain" in row]
    compared = {(row["method"], row["over"]) for row in gains if row["measure"] == SEMANTIC}
    assert compared == {(arm, "unet") for arm in ("lora+decoder", "untapped", "samed")} | {("samed", "lora+decoder")}
    assert {row["measure"] for row in gains if row["method"] == "lora"} == set(one_training.MEASURES)
    assert all(row["ci_low"] <= row["gain"] <= row["ci_high"] for row in gains)
    assert len(stages) == trainings and stages[-1].rows == outcome.rows
    assert len(stages[0].rows) < len(stages[-1].rows)


def test_a_training_names_what_it_leaves_out() -> None:
    case = Case("s", "a", Path("a"), Path("a"), "CT", {1: "liver"}, {})
    fold = Training("s", "lora", 0, (case, case), (case,), 2, frozenset({"liver"}))
    assert fold.key == "s: lora, a, seed 0" and replace(fold, labels=None).key == "s: lora, 2 cases, seed 0"
