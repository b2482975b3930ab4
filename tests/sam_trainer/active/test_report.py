"""What the report says follows from ledger, verdicts and the measured worth, and from nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_infer.uncertainty.calibration import Calibration
from sam_trainer.active.benefit import Benefit
from sam_trainer.active.report import LoopReport, accepted
from sam_trainer.active.served import ACTIVE, CONTROL, Served, ServedCases, draws_control
from sam_trainer.judging.calibrate import calibration_file, calibrations
from sam_trainer.labels.ledger import Ledger, Record
from sam_trainer.labels.quarantine import Doubt
from sam_trainer.measures.power_law import fitted


def power_law(n: np.ndarray) -> np.ndarray:
    return 0.95 - 0.4 * (n + 1.0) ** -0.5


def test_a_curve_is_found_again_and_forecasts() -> None:
    n = np.array([2, 5, 9, 14, 20, 30])
    curve = fitted(n, power_law(n))
    assert curve is not None and (curve.best, curve.gap, curve.rate) == pytest.approx((0.95, 0.4, 0.5), abs=0.01)
    more = curve.more_until(0.9)
    assert more is not None and abs(more - (63 - 30)) <= 2
    assert curve.sentence(0.9) == f"about {more} more cases to 0.90"
    assert curve.sentence(0.85) == "0.85 is reached" and "not in sight" in curve.sentence(0.97)
    assert fitted([1, 2, 3], [0.1, 0.2, 0.3]) is None and fitted([5, 5, 5, 5], [0.1, 0.2, 0.3, 0.4]) is None


def test_later_measurements_lie_where_the_forecast_says() -> None:
    """Fitted on the first points of noisy curves; nine of ten later points should lie inside, most of them must."""
    inside = total = 0
    for seed in range(20):
        n = np.arange(2, 42, 3)
        y = power_law(n) + np.random.default_rng(seed).normal(0, 0.01, len(n))
        curve = fitted(n[:9], y[:9])
        assert curve is not None
        for cases, value in zip(n[9:], y[9:], strict=True):
            low, high = curve.between(float(cases))
            inside, total = inside + (low <= value <= high), total + 1
    assert inside / total >= 0.7


def record(case: str, when: str, **facts: float) -> Record:
    return Record("accepted", case, 1, "0" * 64, ".nii.gz", when, facts)


def test_weeks_structures_and_worth(tmp_path: Path) -> None:
    records = [
        record("a", "2026-01-05T10:00:00+00:00", clicks=6, seconds=120, edit_distance=0.4),
        record("b", "2026-01-06T10:00:00+00:00", clicks=4, seconds=60),
        record("c", "2026-01-13T10:00:00+00:00", clicks=1),
    ]
    n = np.array([2, 5, 9, 14])
    points = {"liver": list(zip(n.tolist(), power_law(n).tolist(), strict=True)), "spleen": [(2, 0.5)]}
    served = [Served("a", "anna", "sam_hybrid", "sam_hybrid", arm, "none", 0.5, "2026") for arm in (ACTIVE, CONTROL)]
    for adapter in ("none", "gone"):
        Calibration(2.5, 6, 2, 0.30001, 0.1, 0.3, 0.2).write(calibration_file("tiny", adapter, tmp_path))
    report = LoopReport(Benefit(), served, records, points, calibrations("tiny", tmp_path))
    first, second = report.weeks()
    assert (first["week"], first["cases"], first["clicks"], first["minutes"], first["edit_distance"]) == (
        "2026-W02",
        2,
        5.0,
        1.5,
        0.4,
    )
    assert second["minutes"] is None
    liver, spleen = report.structures()
    assert "more cases to 0.90" in liver["forecast"] and "too few adapters" in spleen["forecast"]
    assert report.rows()[0] | {"sentence": ""} == {
        "table": "worth",
        "active": 1,
        "control": 1,
        "verdict": "not yet known",
        "clicks": None,
        "ci_low": None,
        "ci_high": None,
        "sentence": "",
    }
    (calibrated,) = report.calibrated()  # of adapters that are there, and without one
    assert (calibrated["adapter"], calibrated["ece_before"], calibrated["ece_after"]) == ("none", 0.3, 0.1)
    assert report.rows()[-1] == calibrated
    page = report.page().write(tmp_path, "report").read_text()
    assert "nothing was measured yet" in page and "about" in page and "data:image/png" in page
    assert "Calibration error" in page


def test_an_empty_report_says_what_to_do_and_no_nothing(tmp_path: Path) -> None:
    page = LoopReport(Benefit(), [], [], {}).page("demo-files").write(tmp_path, "report").read_text()
    assert "None" not in page and "ci_low" not in page and page.count("Nothing yet.") == 2
    assert "Studies demo-files, 0 accepted labels, written on 2" in page
    assert "samlabel next --studies demo-files" in page
    labelled = LoopReport(Benefit(), [], [record("a", "2026-01-05T10:00:00+00:00")], {})
    assert "samlabel train --studies x" in labelled.next_step("x")
    judged = LoopReport(Benefit(), [], labelled.records, {"liver": [(2, 0.5)]})
    assert "samlabel loop measure --studies x" in judged.next_step("x")
    assert "not known" in labelled.page().write(tmp_path, "labelled").read_text()


def test_a_label_that_was_released_counts_once_and_in_the_week_of_its_reader(tmp_path: Path) -> None:
    ledger, label = Ledger(tmp_path / "ledger"), tmp_path / "label.nii.gz"
    for case, doubts in (("a", []), ("b", [Doubt("swapped_sides", "left is right")]), ("c", [Doubt("empty", "empty")])):
        label.write_bytes(case.encode())
        ledger.accept(case, label, {"clicks": 3}, doubts)
    ledger.release("b", {"released_by": "anna"})
    ledger.withdraw("a", {})  # the work was done all the same
    label.write_bytes(b"b, corrected")
    ledger.accept("b", label, {"clicks": 1})
    found = accepted(ledger.records())
    assert [(one.case, one.version, one.event) for one in found] == [
        ("a", 1, "accepted"),
        ("b", 1, "quarantined"),
        ("b", 2, "accepted"),
    ]
    (week,) = LoopReport(Benefit(), [], found, {}).weeks()
    assert (week["cases"], week["clicks"]) == (3, 2.333)


def test_worth_is_kept_and_only_a_measured_no_falls_back(tmp_path: Path) -> None:
    assert not Benefit.read(tmp_path).falls_back
    for verdict, falls in (("gain", False), ("no gain", True), ("loss", True), ("not yet known", False)):
        Benefit(verdict, "x", 0.1, -0.1, 0.3, 4, 6, "now").write(tmp_path)
        assert Benefit.read(tmp_path).falls_back is falls
    (tmp_path / "worth.json").write_text("{")
    assert not Benefit.read(tmp_path).falls_back


def test_the_control_arm_has_its_share_and_is_remembered(tmp_path: Path) -> None:
    drawn = [draws_control(0.2, n, "anna") for n in range(2000)]
    assert 0.17 < np.mean(drawn) < 0.23 and drawn == [draws_control(0.2, n, "anna") for n in range(2000)]
    assert not any(draws_control(0.0, n) for n in range(50)) and all(draws_control(1.0, n) for n in range(50))
    cases = ServedCases(tmp_path)
    for reader, arm in (("anna", ACTIVE), ("anna", ACTIVE), ("bert", CONTROL)):
        cases.note(Served("a", reader, "sam_hybrid", "sam_hybrid", arm, "none", None, "2026"))
    assert [one.reader for one in cases.all()] == ["anna", "bert"] and cases.arms() == {"a": CONTROL}
