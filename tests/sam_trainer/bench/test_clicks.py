"""The simulated session, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest

from sam_trainer.bench.exam import Exam
from sam_trainer.bench.runs import run_clicks
from sam_trainer.reports.table import MEAN
from sam_trainer.simulation.clicks import Click
from sam_trainer.simulation.prompt_styles import Drawn
from sam_trainer.simulation.session import as_prompts, clicks_until, session

TRUTH = np.zeros((30, 30), bool)
TRUTH[5:15, 5:25] = True


def test_the_reader_clicks_on_the_largest_error_and_sends_all_clicks() -> None:
    requests: list[Drawn] = []

    def half_then_all(prompts: Drawn) -> np.ndarray:
        requests.append(prompts)
        mask = TRUTH.copy()
        if len(requests) == 1:
            mask[:, 15:] = False  # misses the right half
            mask[20:23, 0:3] = True
        return mask

    answers = session(TRUTH, half_then_all, clicks=4)
    assert len(answers) == 4
    assert len(requests) == 2  # nothing is wrong after the second
    assert TRUTH[tuple(requests[0].foreground[0])]
    second = requests[1].foreground.tolist()
    assert second[0] == requests[0].foreground[0].tolist()
    assert 15 <= second[1][1] < 25


def test_added_parts_get_background_clicks() -> None:
    seen: list[Drawn] = []

    def too_much(prompts: Drawn) -> np.ndarray:
        seen.append(prompts)
        return np.ones_like(TRUTH)

    session(TRUTH, too_much, clicks=3)
    assert [len(p.foreground) for p in seen] == [1, 1, 1]
    assert [len(p.background) for p in seen] == [0, 1, 2]


def test_clicks_are_rows_and_columns() -> None:
    prompts = as_prompts([Click(7.0, 3.0, 1), Click(2.0, 9.0, 0)])
    assert (prompts.foreground.tolist(), prompts.background.tolist()) == ([[3, 7]], [[9, 2]])


@pytest.mark.parametrize(("goal", "clicks"), [(0.5, 1), (0.85, 3), (0.99, 4)])
def test_clicks_until_a_goal(goal: float, clicks: int) -> None:
    assert clicks_until([0.6, 0.8, 0.9, 0.85], goal) == clicks


def test_rows_hold_the_curve_and_the_mean_row_the_summary(exam: Exam) -> None:
    rows = run_clicks(exam).rows
    curve = [r for r in rows if r["source"] == MEAN and r["method"] == "bright"]
    assert [r["clicks"] for r in curve] == list(range(1, 11))
    assert {"noc85", "noc90", "failures", "encodes"} <= curve[-1].keys()
    assert {r["method"] for r in rows} == {"bright", "random_walker", "region_growing"}
    assert 1 <= curve[-1]["encodes"]
    assert curve[-1]["n"] == 11


def test_baselines_can_be_left_out(exam: Exam) -> None:
    assert {r["method"] for r in run_clicks(exam, with_baselines=False).rows} == {"bright"}


def test_strokes_and_lassos_are_measured_where_wanted(short_exam: Exam) -> None:
    rows = run_clicks(short_exam, with_gestures=True).rows
    drawn = {"scribble", "lasso", "random_walker_scribble"}
    assert {r["method"] for r in rows} == {"bright", "random_walker", "region_growing"} | drawn
    means = {r["method"]: r for r in rows if r["source"] == MEAN and r["clicks"] == 10}
    assert all(means[name]["n"] == 4 and {"noc85", "noc90"} <= means[name].keys() for name in drawn)
    assert means["scribble"]["dice"] > 0.5 and means["lasso"]["dice"] > 0.5
    again = run_clicks(short_exam, with_baselines=False, with_gestures=True).rows
    assert {r["method"] for r in again} == {"bright", "scribble", "lasso"}
    assert [r for r in again if r["method"] in drawn] == [
        r for r in rows if r["method"] in drawn - {"random_walker_scribble"}
    ]
