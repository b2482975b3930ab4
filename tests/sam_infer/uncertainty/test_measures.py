"""Measures of doubt against values that can be computed by hand."""

from dataclasses import replace

import numpy as np
import pytest

from sam_infer.errors import PromptError
from sam_infer.uncertainty.calibration import Calibration, Said, brier, calibrated, ece, fitted_temperature
from sam_infer.uncertainty.measures import (
    ADAPTERS,
    MEASURES,
    PROMPTS,
    SEMANTIC,
    VIEWS,
    Evidence,
    entropy,
    mutual_information,
    sigmoid,
    soft_dice,
)


def evidence(sureness: float, iou: float = 0.9, looks: tuple[float, ...] = ()) -> Evidence:
    """A square of 8 x 8 pixels on 24 x 24; `looks` are shifts of the square in pixels."""
    square = np.zeros((24, 24))
    square[8:16, 8:16] = 1.0
    logits = np.stack([np.where(square > 0, sureness, -sureness), np.full((24, 24), -sureness)])
    kinds = (PROMPTS, VIEWS, ADAPTERS, SEMANTIC) if looks else ()
    shown = {kind: np.stack([np.roll(square, int(by), 0) for by in looks]) for kind in kinds}
    return Evidence(logits, np.array([iou, 0.2]), 0, square, 1.0, shown, overlap=iou, size_off=10 * (1 - iou))


def test_entropy_and_mutual_information_by_hand() -> None:
    np.testing.assert_allclose(entropy(np.array([0.5, 0.25, 0.0])), [1.0, 0.8112781, 0.0], atol=1e-5)
    sure_but_divided = np.array([[0.0], [1.0]])
    both_unsure = np.array([[0.5], [0.5]])
    np.testing.assert_allclose(mutual_information(sure_but_divided), [1.0], atol=1e-5)
    np.testing.assert_allclose(mutual_information(both_unsure), [0.0], atol=1e-9)
    np.testing.assert_allclose(mutual_information(sure_but_divided, np.array([1.0, 0.0])), [0.0], atol=1e-5)
    assert soft_dice(np.zeros((2, 2)), np.zeros((2, 2))) == 1.0


@pytest.mark.parametrize("method", MEASURES)
def test_every_measure_grows_with_doubt_and_stays_between_0_and_1(method: str) -> None:
    sure, unsure = evidence(9.0, 0.98, (0, 0)), evidence(0.4, 0.5, (0, 5))
    low, high = MEASURES[method](sure), MEASURES[method](unsure)
    assert low.value < high.value
    for doubt in (low, high):
        assert 0 <= doubt.value <= 1 and doubt.map.min() >= 0 and doubt.map.max() <= 1
        assert doubt.map.shape == (24, 24)


def test_a_measure_without_its_looks_is_refused() -> None:
    with pytest.raises(PromptError, match="no looks of kind 'views'"):
        MEASURES["views"](evidence(1.0))


def test_where_nothing_was_accepted_its_measures_are_refused_and_the_default_does_without() -> None:
    bare = replace(evidence(2.0, looks=(0, 1)), overlap=None, size_off=None)
    for method in ("expectation", "size"):
        with pytest.raises(PromptError, match="there is no accepted case"):
            MEASURES[method](bare)
    parts = [MEASURES[name](bare).value for name in ("iou_head", "stability", "agreement")]
    assert MEASURES["combined"](bare).value == pytest.approx(np.mean(parts))


def test_doubt_far_from_the_mask_does_not_count() -> None:
    near_only = evidence(5.0, looks=(0, 0))
    far = evidence(5.0, looks=(0, 0))
    far.looks[PROMPTS][:, :2, :2] = 0.5  # something else, in a corner
    assert MEASURES["prompts"](far).value == MEASURES["prompts"](near_only).value


def test_the_temperature_of_an_overconfident_network_is_found() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 40_000)
    truth = rng.random(40_000) < sigmoid(logits)
    said = 3.0 * logits
    assert fitted_temperature(said, truth) == pytest.approx(3.0, rel=0.05)
    none = np.zeros(0)
    judged = Said(said[20_000:], truth[20_000:], np.ones(1), np.ones(1))
    found = calibrated(Said(said[:20_000], truth[:20_000], none, none), judged, (5, 2))
    assert found.ece_after is not None and found.ece_before is not None and found.brier_after is not None
    assert found.ece_after < 0.02 < found.ece_before and found.brier_after < (found.brier_before or 0)
    assert (found.cases, found.held_out) == (5, 2)
    misled = calibrated(Said(said[:20_000], ~truth[:20_000], none, none), judged, (5, 2))
    assert misled.temperature == 1.0 and misled.ece_after == misled.ece_before  # it would have told others worse
    assert not found.outgrown_by(13) and found.outgrown_by(14) and Calibration().outgrown_by(1)


def test_a_predicted_iou_becomes_what_such_answers_had() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(0.5, 1.0, 300)
    ious = np.clip(2 * scores - 1 + rng.normal(0, 0.05, 300), 0, 1)  # too sure of itself, and rightly ordered
    pixels, truth = np.array([3.0, -3.0]), np.array([True, False])
    parts = [Said(pixels, truth, scores[part], ious[part]) for part in (slice(200), slice(200, None))]
    found = calibrated(parts[0], parts[1], (20, 10))
    assert found.iou_error_after is not None and found.iou_error_after < 0.06 < (found.iou_error_before or 0)
    told = found.quality(np.array([0.5, 0.7, 0.9, 1.0]))
    np.testing.assert_allclose(told, [0.0, 0.4, 0.8, 1.0], atol=0.08)
    assert (np.diff(told) > 0).all()
    few = Said(pixels, truth, scores[:9], ious[:9])
    assert calibrated(few, None, (3, 0)).scores == () and Calibration().quality(told) is told
    upside_down = Said(pixels, truth, scores[:200], 1 - ious[:200])
    assert calibrated(upside_down, parts[1], (20, 10)).scores == ()  # it would have told others worse


def test_ece_and_brier_by_hand() -> None:
    p, truth = np.array([0.9, 0.9, 0.1, 0.1]), np.array([True, False, False, False])
    assert ece(p, truth) == pytest.approx((0.4 * 2 + 0.1 * 2) / 4)
    assert brier(p, truth) == pytest.approx((0.01 + 0.81 + 0.01 + 0.01) / 4)


def test_a_temperature_needs_pixels_and_a_damaged_file_means_uncalibrated(tmp_path: object) -> None:
    from pathlib import Path

    with pytest.raises(PromptError, match="at least one"):
        fitted_temperature(np.zeros(0), np.zeros(0, bool))
    file = Path(str(tmp_path)) / "deep" / "c.json"
    kept = Calibration(2.5, 3, 1, 0.2, 0.1, 0.3, 0.2, (0.5, 0.9), (0.1, 0.8), 0.3, 0.1)
    kept.write(file)
    assert Calibration.read(file) == kept
    file.write_text("{")
    assert Calibration.read(file).temperature == 1.0
