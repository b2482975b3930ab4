"""Whether warnings are shown: AUROC by hand, fits that see no case of their own, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from sam_infer.uncertainty.warning_skill import Risk, WarningSkill, auroc, interval, threshold_of, unseen_risk


def test_auroc_by_hand() -> None:
    bad = np.array([True, False, True, False])
    assert auroc(np.array([0.9, 0.1, 0.8, 0.2]), bad) == 1.0
    assert auroc(np.array([0.9, 0.1, 0.15, 0.2]), bad) == 0.75
    assert auroc(np.array([0.5, 0.5, 0.5, 0.5]), bad) == 0.5
    assert auroc(np.array([0.9, 0.1]), np.array([False, False])) == 0.5  # no pair
    told = np.array([0.9, 0.1, 0.8, 0.2])  # worse of points than of boxes, and right about neither
    assert auroc(told, np.array([True, False, False, True])) == 0.75
    assert auroc(told, np.array([True, False, False, True]), ["point", "box", "point", "box"]) == 1.0
    assert auroc(told, bad, ["point", "box", "point", "box"]) == 0.5
    assert threshold_of(np.array([0.9, 0.1, 0.8, 0.2]), bad) == 0.8


def test_an_interval_is_of_cases_and_not_of_answers() -> None:
    bad = np.array([True, False, False] * 6)
    risk = np.tile([0.5, 0.1, 0.9], 6)  # of every bad answer one of two good ones looks worse
    assert interval(risk, bad, [f"case{n // 3}" for n in range(18)]) == (0.5, 0.5) == (auroc(risk, bad),) * 2
    low, high = interval(risk, bad, [f"answer{n}" for n in range(18)])
    assert low < 0.5 < high
    assert interval(risk, np.zeros(18, bool), ["one"] * 18) == (0.0, 1.0)


def test_a_case_is_judged_by_what_others_taught() -> None:
    rng = np.random.default_rng(0)
    signs = rng.random((60, 3))
    bad = signs[:, 0] + 0.1 * rng.random(60) > 0.6
    cases = [f"case{n // 2}" for n in range(60)]
    assert auroc(unseen_risk(signs, bad, cases), bad) > 0.95
    fitted = Risk.fitted(signs, bad)
    assert fitted.weights[1] > 3 * max(abs(weight) for weight in fitted.weights[2:])
    chance = rng.random(60) > 0.5
    assert abs(auroc(unseen_risk(signs, chance, cases), chance) - 0.5) < 0.2
    assert set(unseen_risk(signs, np.zeros(60, bool), cases)) == {0.0}  # nothing bad: nothing to fit


def test_only_what_has_proven_itself_is_shown(tmp_path: Path) -> None:
    risk = Risk((0.0, 1.0), (0.0,), (1.0,))
    worth = WarningSkill("net", "labels", risk, 0.4, 0.8, 0.6, 0.9, answers=40, bad=10)
    assert worth.proven and worth.sentence == "warnings are shown: AUROC 0.80 (0.60 to 0.90) on 40 answers, 10 bad"
    for change in ({"auroc": 0.7}, {"low": 0.5}, {"bad": 4}, {"bad": 36}):
        assert not replace(worth, **change).proven
    file = tmp_path / "new" / "advice.json"
    assert WarningSkill.read(file) is None
    worth.write(file)
    assert WarningSkill.read(file) == worth
    for damaged in ("{", "[]", "{}", '{"risk": 1}'):
        file.write_text(damaged)
        assert WarningSkill.read(file) is None
