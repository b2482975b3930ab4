"""Proofs of kinds: which there are, how they are asked, what is a gain; one of them trained for a step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from sam_infer.models.load import BaseNetwork
from sam_trainer.bench.kinds.measures import (
    BOTH_MEANINGS,
    MEASURES,
    ONE_CLICK,
    RULES,
    UNPROMPTED,
    of_two_meanings,
    pointed,
    unprompted,
)
from sam_trainer.bench.kinds.one_proof import ProofTraining, RuledBatches, config_of, misled, proved
from sam_trainer.bench.kinds.proofs import ALONE, PROOFS
from sam_trainer.bench.kinds.run import Proved, outcome, proofs_of, run_proofs
from sam_trainer.bench.learning.arms import EVERY, LORA, NONE, choices
from sam_trainer.bench.learning.few_cases_plan import Plan
from sam_trainer.bench.learning.one_training import network_of
from sam_trainer.config import METHODS, TAGGED
from sam_trainer.errors import TrainingError
from sam_trainer.lessons.prompt_batch import Batch
from sam_trainer.methods.trainable import trainable
from sam_trainer.reports.journal import Journal
from sam_trainer.simulation.clicks import FirstPrompt, tight_box
from sam_trainer.synthetic.cohorts.cohort import COHORTS
from sam_trainer.synthetic.cohorts.fields import core_of

SMALL = Plan(counts=(2,), methods=("domain_bank",), seeds=1, held_out=2, objects=1, budget=0.1, workers=1)


def test_every_kind_has_a_proof_and_is_measured_on_folders() -> None:
    kinds = set(METHODS) - {"lora", "decoder", "full"}
    assert {proof.kind for proof in PROOFS} == kinds == set(ALONE) - {LORA}
    assert {proof.cohort for proof in PROOFS} == set(COHORTS)
    assert {proof.measure for proof in PROOFS} == {ONE_CLICK, BOTH_MEANINGS, UNPROMPTED} == set(RULES) == set(MEASURES)
    assert kinds | {"lora+decoder", "decoder", "full", "unet"} == set(EVERY) == set(choices("all"))


def test_rivals_are_taught_once_for_all_kinds_of_a_cohort(tmp_path: Path) -> None:
    plan = replace(SMALL, methods=("sdtrans", "fact3d", "domain_bank"), seeds=2, counts=(1, 2))
    found = proofs_of(plan, tmp_path)
    assert len({one.key for one in found}) == len(found) == 2 + 2 * (2 + 3)
    assert [one.method for one in found[:2]] == [NONE, NONE] and {len(one.teaching) for one in found[2:]} == {2}
    assert not {case.name for one in found for case in one.teaching} & {case.name for case in found[0].asked}
    with pytest.raises(TrainingError, match=r"proofs are of bottleneck, sdtrans, .* got lora, unet"):
        proofs_of(replace(SMALL, methods=("lora", "unet")), tmp_path)
    alone = config_of(next(one for one in found if one.method == "domain_bank"), plan)
    assert alone.tags == ("inner", "whole") and not alone.with_decoder and alone.semantic_images == 0
    assert config_of(next(one for one in found if one.method == LORA), plan).tags == ()


@pytest.fixture
def batch() -> Batch:
    masks = np.zeros((8, 64, 64), np.uint8)
    masks[:, 10:50, 12:40] = 1
    prompts = [FirstPrompt(neighbour=mask) for mask in masks]
    coverage = torch.full((8, 16, 16), 0.5)
    return Batch(torch.zeros(2, 0), torch.from_numpy(masks), coverage, coverage.sum((1, 2)), prompts, coverage[:, None])


def test_a_click_means_the_whole_and_a_box_its_core(batch: Batch) -> None:
    said, whole = of_two_meanings(batch, np.random.default_rng(0)), batch.truth[0].numpy()
    core = core_of(whole)
    boxed = [prompt.box is not None for prompt in said.prompts]
    assert any(boxed) and not all(boxed) and bool(said.earlier.isnan().all())
    for prompt, truth in zip(said.prompts, said.truth.numpy(), strict=True):
        if prompt.box is not None:
            np.testing.assert_array_equal(prompt.box, tight_box(whole))
            np.testing.assert_array_equal(truth, core)
        else:
            assert core[int(prompt.clicks[0].y), int(prompt.clicks[0].x)] and truth.sum() == whole.sum()
    assert said.extent[0] == said.coverage[0].sum() and said.coverage.shape == batch.coverage.shape


def test_nothing_is_said_where_nobody_points(batch: Batch) -> None:
    said = unprompted(batch, np.random.default_rng(0))
    assert all(not prompt.clicks and prompt.box is None and prompt.neighbour is None for prompt in said.prompts)
    assert bool(said.earlier.isnan().all()) and said.truth is batch.truth


def test_a_point_says_nothing_of_the_size(batch: Batch) -> None:
    said = pointed(batch, np.random.default_rng(0))
    assert all(len(prompt.clicks) == 1 and prompt.box is None for prompt in said.prompts)
    places = {(int(prompt.clicks[0].y), int(prompt.clicks[0].x)) for prompt in said.prompts}
    assert len(places) > 1 and all(batch.truth[0, y, x] for y, x in places) and bool(said.earlier.isnan().all())


def told(values: list[float]) -> dict[str, Any]:
    found = {f"two_scanners_1000_{n:02d}": [value] for n, value in enumerate(values)}
    return {"parameters": 7, "head_parameters": 0, "megabytes": 0.1, "steps": 3, "seconds": 60.0, "found": found}


@pytest.mark.parametrize(("better", "verdict"), [(0.1, "gain"), (-0.1, "no gain"), (0.0, "no gain")])
def test_an_interval_that_is_not_above_zero_is_no_gain(better: float, verdict: str, tmp_path: Path) -> None:
    trainings = proofs_of(replace(SMALL, held_out=6, seeds=3), tmp_path)

    def found(one: ProofTraining) -> Proved:
        base = [0.5 + 0.01 * n + 0.004 * one.seed for n in range(6)]
        mine = [value + better * (1 + 0.1 * n) for n, value in enumerate(base)]
        if one.method != "domain_bank":
            return Proved(one, told(base))
        return Proved(one, {**told(mine), "control": told([value - 0.2 for value in mine])["found"]})

    rows = outcome("tiny", [found(one) for one in trainings]).rows
    (row,) = [row for row in rows if "gain" in row]
    assert row["verdict"] == verdict and (row["ci_low"] > 0) == (verdict == "gain")
    assert (row["seeds"], row["held_out"], row["over"], row["parameters"]) == (3, 6, LORA, 7)
    assert row["dice"] - row["lora"] == pytest.approx(row["gain"], abs=2e-4) and row["untaught"] == row["lora"] - 0.004
    assert row["over_misled"] == row["over_misled_low"] == pytest.approx(0.2) == row["dice"] - row["misled"]
    unfinished = outcome("tiny", [found(one) for one in trainings if one.method != LORA])
    assert not [row for row in unfinished.rows if "gain" in row]


def test_batches_are_of_one_tag_and_the_network_is_told(tmp_path: Path) -> None:
    one = next(one for one in proofs_of(SMALL, tmp_path) if one.method == LORA)
    base = network_of("tiny")
    network, batches = trainable(base), RuledBatches(one.teaching, 1, base.backbone(), None, pointed)
    tags = set()
    for seed in range(8):
        drawn, features = batches.draw(network, 1, 1, np.random.default_rng(seed))
        tags.add(network.told.tag)
        assert features is None and len(drawn.truth) == 1
    assert tags == {"inner", "whole"}


@pytest.mark.usefixtures("one_thread", "in_float32")
def test_a_proof_is_trained_asked_and_written_down(tmp_path: Path) -> None:
    trainings = [one for one in proofs_of(SMALL, tmp_path) if one.method != NONE]
    stages = []
    journal = Journal(tmp_path / "kinds.json.journal", {"command": "bench train"})
    done = run_proofs("tiny", SMALL, trainings, journal, stages.append)
    (verdict,) = [row for row in done.rows if "gain" in row]
    assert verdict["cohort"] == "two scanners" and verdict["untaught"] is None and 0 <= verdict["dice"] <= 1
    assert len(stages) == len(trainings) == 2 and len(done.rows) == 3
    assert 0 <= verdict["misled"] <= 1  # told the other tag
    lora, mine = (
        next(row for row in done.rows if row["method"] == name and "seed" in row) for name in (LORA, "domain_bank")
    )
    assert lora["parameters"] < mine["parameters"] and lora["megabytes"] < mine["megabytes"] and mine["steps"] == 1
    again = run_proofs(
        "tiny",
        SMALL,
        trainings,
        Journal(tmp_path / "kinds.json.journal", {"command": "bench train"}, True),
        stages.append,
    )
    assert again.rows == done.rows and len(stages) == 2


def test_who_looks_at_slices_beside_is_compared_with_itself_seeing_none(tmp_path: Path) -> None:
    one = next(one for one in proofs_of(replace(SMALL, methods=("sdtrans",)), tmp_path) if one.method == "sdtrans")
    seen: list[Any] = []
    base = SimpleNamespace(backbone=lambda adapter, tag: SimpleNamespace(encode=seen.append, depth=3))
    network = misled(one)(cast(BaseNetwork, base), None, "")
    network.encode(np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1))
    assert seen[0].ravel().tolist() == [1, 1, 1] and network.depth == 3


@pytest.mark.usefixtures("one_thread")
def test_nobody_points_and_an_answer_is_measured(tmp_path: Path) -> None:
    plan = replace(SMALL, methods=("dense_prompt", "hyper"), held_out=1)
    for one in (one for one in proofs_of(plan, tmp_path) if one.method == NONE):
        answer = proved(("tiny", plan, one))
        ((values),) = answer["found"].values()
        assert len(values) == 1 and 0 <= values[0] <= 1 and answer["steps"] == 0
    assert set(TAGGED) == {"domain_bank", "cine"}
