"""Consensus of readers: the majority, STAPLE held against that of its authors, and where two readers differ."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.arrays import BoolArray
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_trainer.errors import TrainingError
from sam_trainer.labels.consensus import MAJORITY, STAPLE, consensus, difference, majority, proposed_by, staple
from sam_trainer.labels.readings import SideBySide

GRID = Geometry((12, 10, 6), np.eye(4))


def side_by_side(*arrays: np.ndarray) -> SideBySide:
    masks = tuple(Mask(np.asarray(array, np.uint8), GRID) for array in arrays)
    return SideBySide(("x", "y"), masks, tuple(range(1, len(masks) + 1)), tuple("abcdefghijklm"[: len(masks)]))


def cube(start: int, stop: int, value: int = 1) -> np.ndarray:
    array = np.zeros(GRID.shape, np.uint8)
    array[start:stop, 2:8, 1:5] = value
    return array


def three_votes() -> list[BoolArray]:
    """Readers of whom the last one guesses."""
    rng = np.random.default_rng(3)
    truth = cube(3, 9) > 0
    return [truth ^ (rng.random(GRID.shape) < wrong) for wrong in (0.02, 0.05, 0.3)]


@pytest.mark.accept  # half a minute of imports
def test_staple_weighs_readers_as_the_class_of_its_authors_does() -> None:
    import itk

    image, votes = itk.Image[itk.D, 3], three_votes()
    filtered = itk.STAPLEImageFilter[image, image].New()
    kept = [itk.image_from_array(vote.astype(np.float64)) for vote in votes]
    for n, one in enumerate(kept):
        filtered.SetInput(n, one)
    filtered.SetForegroundValue(1)
    filtered.Update()
    mine, theirs = staple(votes), np.asarray(itk.array_from_image(filtered.GetOutput()))
    np.testing.assert_array_equal(mine > 0.5, theirs > 0.5)
    np.testing.assert_allclose(mine, theirs, atol=0.02)


def test_who_guesses_has_less_of_a_voice_than_in_a_majority() -> None:
    rng, truth = np.random.default_rng(4), cube(3, 9) > 0
    votes = [truth ^ (rng.random(GRID.shape) < wrong) for wrong in (0.05, 0.05, 0.05, 0.4, 0.4, 0.4, 0.4)]
    worse = [int((found != truth).sum()) for found in (staple(votes) > 0.5, majority(votes) > 0.5)]
    assert worse[0] < worse[1]


def test_a_majority_is_more_than_half() -> None:
    two = side_by_side(cube(2, 6), cube(4, 8))
    np.testing.assert_array_equal(consensus(two, MAJORITY).array, cube(4, 6))
    three = side_by_side(cube(2, 6), cube(4, 8), cube(4, 9, 2))
    np.testing.assert_array_equal(consensus(three, MAJORITY).array, cube(4, 6))
    assert [proposed_by(n) for n in (2, 4, 5)] == [MAJORITY, MAJORITY, STAPLE]
    with pytest.raises(TrainingError, match="by majority or staple"):
        consensus(two, "lot")
    with pytest.raises(TrainingError, match="10 readers at most"):
        consensus(side_by_side(*[cube(2, 6)] * 11), STAPLE)


def test_labels_stay_apart_in_a_consensus() -> None:
    one = cube(1, 4) + cube(6, 9, 2)
    same = side_by_side(one, one, cube(1, 4))
    for way in (MAJORITY, STAPLE):
        np.testing.assert_array_equal(consensus(same, way).array, one)


def test_the_difference_of_two() -> None:
    found = difference(side_by_side(cube(2, 6), cube(4, 6) + cube(6, 8) + cube(4, 5)), 1, 2).array
    assert [int(found[i, 4, 2]) for i in range(2, 9)] == [2, 2, 4, 1, 3, 3, 0]
