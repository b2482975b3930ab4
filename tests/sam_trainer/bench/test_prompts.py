"""The prompts bench measures what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_trainer.bench import grid_prompts, prompts
from sam_trainer.bench.exam import Exam
from sam_trainer.bench.gallery import SIDE, Gallery
from sam_trainer.bench.runs import run_prompts
from sam_trainer.reports.table import MEAN
from tests.sam_trainer.conftest import headline_exam

pytestmark = pytest.mark.slow  # seconds of real predictions


@pytest.fixture(scope="module")
def rows(bright: Any, small_studies: Path) -> list[dict]:
    return run_prompts(headline_exam(bright(), small_studies), grid=3).rows


def mean(rows: list[dict], strategy: str, rule: str = "deployable") -> dict:
    found = [r for r in rows if (r["source"], r["strategy"], r["rule"]) == (MEAN, strategy, rule)]
    assert len(found) == 1
    return found[0]


def test_every_strategy_and_baseline_has_its_mean_row_at_the_end(rows: list[dict]) -> None:
    closing = [(r["strategy"], r["rule"]) for r in rows if r["source"] == MEAN]
    assert rows[-len(closing) :] == [r for r in rows if r["source"] == MEAN]
    networks = {(f"S{n}", rule) for n in range(1, 7) for rule in ("deployable", "oracle")}
    assert networks | {("ellipse", "deployable"), ("grabcut", "deployable")} <= set(closing)
    needed = {"source", "label", "modality", "strategy", "rule", "n", "dice", "jaccard", "hd95", "nsd"}
    assert all(needed <= row.keys() for row in rows)


def test_a_box_around_a_bright_object_is_answered_with_the_object(rows: list[dict]) -> None:
    assert mean(rows, "S5")["dice"] > 0.93
    assert mean(rows, "S5")["n"] == 11


def test_a_point_is_answered_by_choice_and_the_oracle_knows_better(rows: list[dict]) -> None:
    # The network prefers "everything bright"; its second mask is what lies near the point.
    assert mean(rows, "S2", "oracle")["dice"] > mean(rows, "S2")["dice"] + 0.05
    assert mean(rows, "S5", "oracle")["dice"] >= mean(rows, "S5")["dice"]


def test_the_iou_error_is_between_opinion_and_truth(exam: Exam) -> None:
    asked = next(exam._asked(exam.subjects[0], own_cache=False))
    values = {s.keys: s.values for s in prompts._strategies(asked, Gallery())}
    box = values[("strategy", "S5"), ("rule", "deployable")]
    assert box["iou_error"] == pytest.approx(abs(0.9 - box["jaccard"]), abs=1e-6)


def test_everything_mode_does_not_know_which_object_is_meant(exam: Exam) -> None:
    seen = grid_prompts.measure(exam, grid=4)
    flat = [s for s in seen if s.source == "flat" and dict(s.keys)["rule"] == "deployable"]
    oracle = [s for s in seen if s.source == "flat" and dict(s.keys)["rule"] == "oracle"]
    assert len(flat) == len(oracle) == 8
    assert all(o.values["dice"] >= d.values["dice"] for o, d in zip(oracle, flat, strict=True))
    assert np.mean([s.values["dice"] for s in flat]) < 0.6  # all bright things at once fit none of them


def test_an_exam_is_repeatable(short_exam: Exam) -> None:
    assert run_prompts(short_exam, grid=0).rows == run_prompts(short_exam, grid=0).rows


def test_pictures_show_the_extremes_of_every_source(exam: Exam) -> None:
    gallery = Gallery()
    prompts.measure(exam, gallery)
    shots = gallery.extremes("S5")
    assert [(shot.source, rank) for rank, shot in shots] == [
        (source, rank) for source in ("balls", "flat") for rank in ("best", "median", "worst")
    ]
    by_rank = [shot.dice for _, shot in shots[3:]]
    assert by_rank == sorted(by_rank, reverse=True)
    assert shots[0][1].picture.shape == (SIDE, SIDE, 3)
