import hashlib
import json

import numpy as np
import pytest
from scipy import ndimage

from sam_infer.imaging.slice_view import SliceView
from sam_infer.propagation.tracker import SUREST, WEIGHTS, Section, Tracker, embedded_net, grey_of

SHAPE = (90, 120)


def disc(centre: tuple[float, float], radius: float, row_mm: float = 1.0) -> np.ndarray:
    rows, cols = np.indices(SHAPE)
    return np.hypot((rows - centre[0]) * row_mm, cols - centre[1]) < radius


def picture(mask: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 0.03, SHAPE)
    return (ndimage.gaussian_filter(np.where(mask, 0.7, 0.3), 0.8) + noise).astype(np.float32)


def followed(before: np.ndarray, after: np.ndarray, pixel_mm: tuple[float, float] = (1.0, 1.0)) -> np.ndarray:
    section = Section(picture(before, 1), before, pixel_mm)
    view = SliceView((SHAPE[1], SHAPE[0], 1), 2, 0, 1, 0, False, False, pixel_mm)
    part = Tracker.at(section).next(section, picture(after, 2))
    assert np.abs(part.logits).max() <= SUREST
    return part.on(view) > 0


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / max(a.sum() + b.sum(), 1))


@pytest.mark.parametrize(
    "after",
    [disc((45, 60), 18), disc((48, 65), 18), disc((45, 60), 14), disc((45, 60), 22)],
    ids=["still", "moved", "smaller", "larger"],
)
def test_it_goes_where_the_edges_went(after: np.ndarray) -> None:
    before = disc((45, 60), 18)
    assert dice(followed(before, after), after) > max(0.93, dice(before, after) - 0.02)


def test_an_object_that_has_ended_is_not_found() -> None:
    before = disc((45, 60), 18)
    assert followed(before, np.zeros(SHAPE, bool)).sum() < 0.1 * before.sum()


def test_pixels_that_are_not_square_and_edges_of_the_slice() -> None:
    before, after = disc((20, 12), 16, row_mm=2.0), disc((21, 14), 17, row_mm=2.0)
    assert dice(followed(before, after, (2.0, 1.0)), after) > 0.9


def test_the_way_back_tells_a_mask_that_slipped() -> None:
    before, neighbour = disc((45, 45), 14), disc((45, 80), 14)
    grey = picture(before | neighbour, 1)
    start = Section(grey, before, (1.0, 1.0))
    tracker = Tracker.at(start)
    there = tracker.round_trip(start, Section(grey, before, (1.0, 1.0)))
    slipped = tracker.round_trip(start, Section(grey, before | neighbour, (1.0, 1.0)))
    assert there > 0.85 and slipped < 0.66
    assert tracker.round_trip(start, Section(grey, np.zeros(SHAPE, bool), (1.0, 1.0))) == 0.0


def test_the_start_is_found_again_where_the_mask_has_drifted() -> None:
    start = Section(picture(disc((45, 50), 14), 1), disc((45, 50), 14), (1.0, 1.0))
    truth, drifted = disc((47, 66), 14), disc((46, 65), 20)
    tracker, before = Tracker.at(start), Section(picture(truth, 2), drifted, (1.0, 1.0))
    view = SliceView((SHAPE[1], SHAPE[0], 1), 2, 0, 1, 0, False, False, (1.0, 1.0))
    recalled = tracker.recalled(before, picture(truth, 3)).on(view) > 0
    assert dice(recalled, truth) > 0.95 > dice(drifted, truth)


def test_the_embedded_weights_are_those_of_the_manifest() -> None:
    facts = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == facts["sha256"]
    assert sum(p.numel() for p in embedded_net().parameters()) == facts["parameters"]
    assert not embedded_net().training and WEIGHTS.stat().st_size < 1.2e6


def test_colours_are_seen_as_grey() -> None:
    colour = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3), dtype=np.uint8)
    np.testing.assert_allclose(grey_of(colour), colour.mean(axis=-1) / 255, atol=1e-6)
