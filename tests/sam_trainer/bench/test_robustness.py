"""Disturbances are repeatable and cost what they should."""

from __future__ import annotations

from sam_trainer.bench.exam import Exam
from sam_trainer.bench.robustness import trials
from sam_trainer.bench.runs import run_robustness
from sam_trainer.reports.table import MEAN


def test_rows_of_every_mode_and_the_cost_against_the_undisturbed_prompt(exam: Exam) -> None:
    rows = run_robustness(exam, repeats=1).rows
    mean = {(r["mode"], r["level"]): r for r in rows if r["source"] == MEAN and r["rule"] == "deployable"}
    for mode in ("edges", "shift", "scale"):
        assert mean[mode, "0"]["cost"] == 0.0
        assert mean[mode, "0.5"]["cost"] > 0.03
    assert mean["edges", "0.01"]["dice"] >= mean["edges", "0.5"]["dice"]
    assert {("points", "inner_half"), ("points", "10 random"), ("edges", "20-30 px")} <= mean.keys()
    assert ("points", "S3 first 10-20 px") in mean
    assert {"source", "mode", "level", "rule", "dice"} <= rows[0].keys()


def test_rows_per_label_are_kept_for_jittered_edges_only(exam: Exam) -> None:
    labelled = [r for r in run_robustness(exam, repeats=1).rows if r["label"] != "all"]
    assert {r["label"] for r in labelled} == {"disk", "ring", "core", "ball"}
    assert {(r["mode"], r["rule"]) for r in labelled} == {("edges", "deployable")}


def test_an_object_meets_the_same_disturbances_whatever_else_is_measured(exam: Exam) -> None:
    first, second = [asked for one in exam.subjects for asked in exam._asked(one, own_cache=False)][:2]
    drawn = [[t.prompts.box.tolist() for t in trials(a, a.rng(0)) if t.mode == "edges"] for a in (first, first, second)]
    assert drawn[0] == drawn[1] != drawn[2]
    other_seed = [t.prompts.box.tolist() for t in trials(first, first.rng(1)) if t.mode == "edges"]
    assert other_seed != drawn[0]
