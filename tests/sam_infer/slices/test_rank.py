"""What one click means: features of candidates, and sizes of a label."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.arrays import Float32Array
from sam_infer.networks.backbone import Candidates, Hints
from sam_infer.networks.frame import fit_longest, whole
from sam_infer.slices.rank import Ranking, Shown, features, ranked
from sam_infer.weights.prompting import Ranker, Sizes

ROWS, COLS, SIDE = 48, 64, 64


def disk(radius: float, row: int = 24, col: int = 32) -> Float32Array:
    """Logits (SIDE, SIDE) of a disk with a soft edge."""
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.asarray(2.0 * (radius - np.hypot(y - row, x - col)), np.float32)


@pytest.fixture
def shown() -> Shown:
    """A bright disk of radius 9 in a dark picture of 48 x 64, clicked in the middle; 2 mm pixels."""
    picture = np.where(disk(9)[:ROWS] > 0, 200, 40).astype(np.uint8)
    frame = fit_longest(whole(ROWS, COLS), (1.0, 1.0), 256, "centre")
    hints = Hints(frame.points_to_model(np.array([[24.0, 32.0]])), np.ones(1, np.int64))
    return Shown.of(picture, frame, hints, (2.0, 2.0), SIDE)


def test_the_click_and_the_used_part_are_found(shown: Shown) -> None:
    assert shown.grey.shape == (ROWS, COLS) and shown.click == (24, 32)
    assert shown.pixel_mm2 == pytest.approx(4.0)


def test_features_tell_the_object_from_the_whole_picture_and_from_what_was_not_meant(shown: Shown) -> None:
    right, all_of_it = features(disk(9), 0.9, 0, shown), features(disk(90), 1.02, 2, shown)
    assert all_of_it["border"] == 1.0 and right["border"] == 0.0
    assert (right["contrast"], all_of_it.get("contrast")) == (pytest.approx(2.0), 0.0)
    assert right["unlike_click"] < 0.1 < all_of_it["unlike_click"]
    assert all_of_it["score_above_1"] == pytest.approx(0.1) and right["score_above_1"] == 0.0
    assert features(disk(5, 10, 10), 0.9, 1, shown)["missed"] == 1.0
    assert right["off_centre"] < 0.1 < features(disk(14, 32, 40), 0.9, 1, shown)["off_centre"]
    assert np.exp(right["log_mm2"]) == pytest.approx(np.pi * 9**2 * 4, rel=0.1)


def test_a_ranker_chooses_and_the_sizes_of_a_label_have_a_say(shown: Shown) -> None:
    logits = np.stack([disk(4), disk(9), disk(90), disk(90)])
    offered = Candidates(logits, np.array([0.7, 0.8, 1.02, 0.9], np.float32), 2)
    assert ranked(offered, shown, Ranking(Ranker({"score": 1.0}))) == 2
    assert ranked(offered, shown, Ranking(Ranker({"score": 1.0, "border": -1.0}))) == 1
    small = Sizes(float(np.log(np.pi * 4**2 * 4)), 0.35, 12)
    by_size = Ranker({"score": 1.0, "border": -1.0, "unlikely_size": -0.5}, {"nodule": small})
    assert ranked(offered, shown, Ranking(by_size)) == 1
    assert ranked(offered, shown, Ranking(by_size, "nodule")) == 0


def test_empty_and_full_masks_have_features(shown: Shown) -> None:
    for logits in (disk(-5), disk(500)):
        assert all(np.isfinite(list(features(logits, 0.5, 0, shown).values())))
