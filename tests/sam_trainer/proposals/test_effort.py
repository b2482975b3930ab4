"""Clicks that a proposal leaves: none after a good one, some after a poor one, and a cap."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Prediction, Predictor
from sam_trainer.proposals.effort import ClicksLeft, Mending
from tests.conftest import BrightNetwork


@pytest.fixture
def disk(network: BrightNetwork) -> Mending:
    """A bright disk on a dark slice, and a reader who wants it."""
    rows, cols = np.mgrid[:96, :96]
    inside = np.hypot(rows - 40, cols - 52) < 11
    grey = np.where(inside, 210, 40).astype(np.uint8)
    volume = Volume(np.asfortranarray(grey.T[..., None]), Geometry((96, 96, 1), np.diag([-1.0, -1.0, 1.0, 1.0])), "US")
    view = volume.view(2, 0)
    return Mending(Predictor(network, EmbeddingCache()), volume, view, volume.pixels(view) > 100)


def test_a_good_proposal_leaves_nothing_to_do(disk: Mending) -> None:
    assert disk.after(disk.truth) == ClicksLeft(0, True)
    assert disk.after(np.roll(disk.truth, 1, axis=0)) == ClicksLeft(0, True)  # Dice above the goal


def test_a_poor_one_is_mended_and_an_empty_one_is_begun_anew(disk: Mending) -> None:
    assert disk.after(np.roll(disk.truth, 8, axis=0)) == ClicksLeft(1, True)
    assert disk.after(np.zeros_like(disk.truth)) == ClicksLeft(1, True)


def test_a_proposal_that_is_mostly_wrong_is_dropped(disk: Mending) -> None:
    asked: list[object] = []
    plain = disk.predictor.predict

    def predict(volume: Volume, prompts: Prompts, index: int) -> Prediction:
        asked.append(prompts.mask)
        return plain(volume, prompts, index)

    object.__setattr__(disk.predictor, "predict", predict)
    assert disk.after(np.roll(disk.truth, 30, axis=1)) == disk.after(np.zeros_like(disk.truth)) == ClicksLeft(1, True)
    assert asked == [None, None]
    disk.after(np.roll(disk.truth, 8, axis=0))
    assert asked[2] is not None


def test_a_reader_gives_up(disk: Mending) -> None:
    wanted = np.roll(disk.truth, 30, axis=1)  # where the network sees nothing
    dark = Mending(disk.predictor, disk.volume, disk.view, wanted, most=3)
    assert dark.after(np.zeros_like(wanted)) == ClicksLeft(3, False)
