"""Clicks are replayed from the request: one decode per further click, the same bits after a restart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sam_infer.arrays import Float32Array
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.networks.backbone import Candidates, Features, Hints
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor
from sam_infer.slices.replay import MOST_TURNS, stages
from sam_infer.weights.prompting import Prompting
from sam_trainer.synthetic.patients import grid

PLACES = [[30, 40, 3], [26, 33, 3], [100, 100, 3], [40, 55, 3], [120, 20, 3], [35, 50, 3], [28, 58, 3]]
SIDES = [1, 1, 0, 1, 0, 1, 1]


def said(count: int, told: bool = True, **more: Any) -> Prompts:
    """The first clicks, as they were made or as one list per side."""
    turns = np.arange(count) if told else np.zeros(0, np.int64)
    return Prompts(2, np.array(PLACES[:count]).reshape(-1, 3), np.array(SIDES[:count], np.int64), turns=turns, **more)


class Remembering:
    """A network that answers the sum of what it was told: each answer hangs on the whole way to it."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self.prompting = Prompting(feeds_back=True)
        self.masks: list[Float32Array | None] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def decode(self, features: Features, hints: Hints) -> Candidates:
        """The network's answer, moved by the mean of the mask that was fed back."""
        self.masks.append(hints.mask_logits)
        found: Candidates = self._network.decode(features, hints)
        moved = 0.0 if hints.mask_logits is None else 0.1 + 0.01 * float(hints.mask_logits.mean())
        return replace(found, logits=found.logits + np.float32(moved))


@pytest.fixture
def volume() -> Volume:
    array = np.zeros((200, 160, 6), np.int16)
    array[24:44, 30:60] = 200
    return Volume(array, grid((200, 160, 6), (1, 1, 3)), "CT")


@pytest.fixture
def remembering(network: Any) -> Remembering:
    return Remembering(network)


@pytest.fixture
def fresh(remembering: Remembering) -> Callable[[], Predictor]:
    return lambda: Predictor(remembering, EmbeddingCache())


def test_every_further_click_costs_one_decode_and_undoing_none(
    fresh: Callable[[], Predictor], remembering: Remembering, volume: Volume
) -> None:
    predictor = fresh()
    answers = []
    for count in range(1, len(PLACES) + 1):
        answers.append(predictor.predict(volume, said(count), 3).logits)
        assert len(remembering.masks) == count
    assert [mask is None for mask in remembering.masks] == [True, *[False] * (len(PLACES) - 1)]
    assert remembering.encodes <= 2
    again = predictor.predict(volume, said(4), 3, Options(candidate=1, fill_holes=True))
    assert len(remembering.masks) == len(PLACES) and again.chosen == 1
    restarted = fresh()  # knows nothing, and answers the last click first
    assert np.array_equal(restarted.predict(volume, said(len(PLACES)), 3).logits, answers[-1])
    assert np.array_equal(restarted.predict(volume, said(3), 3).logits, answers[2])


def test_without_an_order_background_comes_last_and_a_click_costs_two_decodes_at_most(
    fresh: Callable[[], Predictor], remembering: Remembering, volume: Volume
) -> None:
    predictor, before = fresh(), 0
    for count in range(1, len(PLACES) + 1):
        predictor.predict(volume, said(count, told=False), 3)
        assert len(remembering.masks) - before <= 2
        before = len(remembering.masks)
    grown = [(stage.labels == 1).sum() - 10 * (stage.labels == 0).sum() for stage in stages(said(7, told=False))]
    assert grown == [1, 2, 3, 4, 5, 5 - 20]


def test_a_box_or_a_mask_was_there_before_the_clicks(
    fresh: Callable[[], Predictor], remembering: Remembering, volume: Volume
) -> None:
    predictor, box = fresh(), Box.of([20, 25, 3], [50, 65, 3])
    predictor.predict(volume, Prompts(box=box), 3)
    predictor.predict(volume, said(1, box=box), 3)
    assert [mask is None for mask in remembering.masks] == [True, False]
    prior = Mask.empty(volume.geometry)
    prior.array[24:44, 30:60, 3] = 1
    predictor.predict(volume, said(2, mask=prior), 3, Options(zoom=None))
    assert len(remembering.masks) == 4 and remembering.masks[2] is not None
    other = Mask.empty(volume.geometry)
    other.array[24:34, 30:60, 3] = 1
    predictor.predict(volume, said(2, mask=other), 3, Options(zoom=None))
    assert len(remembering.masks) == 6  # another prior is another way


def test_background_waits_for_an_object_and_endless_clicks_are_told_together() -> None:
    first = Prompts(2, np.array([[1, 1, 0], [5, 5, 0]]), np.array([0, 1]), turns=np.array([0, 1]))
    assert [len(stage.points) for stage in stages(first)] == [2]
    places = np.stack([np.arange(50), np.zeros(50, int), np.zeros(50, int)], axis=1)
    many = Prompts(2, places, np.ones(50, np.int64))
    assert [len(stage.points) for stage in stages(many)] == [*range(1, MOST_TURNS + 1), 50]


def test_another_network_or_look_is_another_answer(
    fresh: Callable[[], Predictor], remembering: Remembering, volume: Volume
) -> None:
    predictor = fresh()
    predictor.predict(volume, said(1), 3)
    predictor.predict(volume, said(1), 3, Options(window="bone"))
    predictor.predict(volume, said(1), 3, Options(zoom=None))
    predictor.predict(volume, said(1), 3, Options(label="liver"))
    remembering._network.weights_id = "bright-2"
    predictor.predict(volume, said(1), 3)
    assert len(remembering.masks) == 5


class Growing:
    """A network that answers each decode with a disc a little larger than before, around what it was told."""

    def __init__(self, network: Any, grows: float) -> None:
        self._network, self._grows, self.radius = network, grows, 8.0
        self.prompting = Prompting(looks_again=2, looks_closer=False)
        self.hints: list[Hints] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._network, name)

    def decode(self, features: Features, hints: Hints) -> Candidates:
        """Discs around the click, the first one preferred."""
        self.hints.append(hints)
        side = self._network.low_res
        rows, cols = np.mgrid[:side, :side]
        col, row = hints.points_xy[0] * side / self._network.input_size
        sizes = self.radius * np.array([1.0, 2.0, 0.5, 1.0])
        self.radius *= self._grows
        away = np.hypot(rows - row, cols - col)
        return Candidates((sizes[:, None, None] - away).astype(np.float32), np.full(4, 0.5, np.float32), 0)


def test_a_single_click_is_looked_at_again_with_the_box_of_what_it_was_understood_to_mean(
    volume: Volume, network: Any
) -> None:
    growing = Growing(network, 1.1)
    found = Predictor(growing, EmbeddingCache()).predict(volume, said(1), 3)
    assert [hints.box_xyxy is not None for hints in growing.hints] == [False, True, True]
    assert growing.hints[1].mask_logits is not None and len(growing.hints[2].labels) == 1
    first = found.first
    assert first is not None and found.pixels.sum() > (first.logits(found.view) > 0).sum()
    assert np.array_equal(found.candidate_logits(1), first.logits(found.view, 1)) and found.chosen == 0
    assert np.array_equal(found.candidate_logits(0), found.logits)


def test_a_look_that_sees_nothing_new_is_the_last_one(volume: Volume, network: Any) -> None:
    growing = Growing(network, 1.01)
    found = Predictor(growing, EmbeddingCache()).predict(volume, said(1), 3)
    assert [hints.box_xyxy is not None for hints in growing.hints] == [False, True] and found.first is not None


def test_a_further_look_that_shows_something_else_is_not_believed(volume: Volume, network: Any) -> None:
    found = Predictor(Growing(network, 3.0), EmbeddingCache()).predict(volume, said(1), 3)
    assert found.first is None and found.pixels.sum() < 3000
    assert len(said(2).points) == 2
    two = Growing(network, 1.1)
    Predictor(two, EmbeddingCache()).predict(volume, said(2), 3)
    assert len(two.hints) == 1


def test_several_clicks_are_thought_of_twice_and_the_mean_counts(volume: Volume, network: Any) -> None:
    growing = Growing(network, 1.2)
    growing.prompting = Prompting(feeds_back=True, thinks_twice=True)
    found = Predictor(growing, EmbeddingCache()).predict(volume, said(2), 3)
    first, once, again = growing.hints
    assert first.mask_logits is None and len(once.labels) == len(again.labels) == 2
    assert once.mask_logits is not None and again.mask_logits is not None
    assert again.mask_logits.max() == pytest.approx(8.0 * 1.2, abs=0.8)
    assert found.candidates.logits[0].max() == pytest.approx(8.0 * (1.2 + 1.44) / 2, abs=0.8)
