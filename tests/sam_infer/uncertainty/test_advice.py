"""Advice on one answer: prompts moved within the slice, what hangs on them, and where a click would help."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_infer.uncertainty.advice import SIGNS, Advisor
from sam_infer.uncertainty.moved_prompts import moved_prompts
from sam_trainer.synthetic.patients import grid
from tests.samlabel.region_growing import RegionGrowing

GRID = grid((40, 32, 3), (1.0, 1.0, 5.0))
VIEW = SliceView.of(GRID, 2, 1)


@pytest.fixture
def volume() -> Volume:
    """Two bright squares."""
    array = np.random.default_rng(0).normal(0, 8, GRID.shape)
    array[6:14, 10:20] += 600
    array[22:30, 10:20] += 600
    return Volume(np.asfortranarray(array.astype(np.int16)), GRID, "MR")


@pytest.fixture
def predictor() -> Predictor:
    """Floods from a click what is as bright."""
    return Predictor(RegionGrowing("encoder"), EmbeddingCache())


def advised(predictor: Predictor, volume: Volume, prompts: Prompts) -> Advisor:
    return Advisor(predictor, volume, prompts, predictor.predict(volume, prompts, 1))


def test_every_edge_and_the_newest_points_are_moved_within_the_slice() -> None:
    box = Prompts(box=Box.of([10, 12, 1], [29, 21, 1]))
    moved = list(moved_prompts(box, VIEW))
    assert len(moved) == 8 and {one.way for one in moved} == {"up", "down", "left", "right"}
    assert {one.what for one in moved} == {f"the {side} edge of the box" for side in ("top", "left", "bottom", "right")}
    assert {round(one.mm, 3) for one in moved} == {1.0, 2.0}  # a tenth of either side
    corner = Prompts(points=np.array([[0, 0, 1]]), labels=np.array([1]))
    assert len(list(moved_prompts(corner, VIEW))) == 2  # there is no further on two sides
    many = Prompts(points=np.array([[5, 5, 1], [9, 9, 1], [20, 20, 1]]), labels=np.array([1, 1, 0]), turns=[0, 1, 2])
    moved = list(moved_prompts(many, VIEW))
    assert len(moved) == 8 and {one.what for one in moved} == {"this point", "this background point"}
    assert all([5, 5, 1] in one.prompts.points.tolist() for one in moved)  # the oldest stays
    assert list(moved_prompts(Prompts(), VIEW)) == []


def test_nothing_is_encoded_for_advice_and_clicks_may_go_between(predictor: Predictor, volume: Volume) -> None:
    prompts = Prompts(points=np.array([[9, 14, 1]]), labels=np.array([1]))
    encodes, turns = predictor.cache.stats.encodes, []
    advisor = advised(predictor, volume, prompts)
    before = predictor.cache.stats.encodes
    assert before == encodes + 1

    def run(work):
        turns.append(work)
        return work()

    advisor = replace(advisor, run=run)
    assert len(advisor.signs) == len(SIGNS) and len(turns) == 1 + len(advisor.moved)
    advisor.next_click()
    assert predictor.cache.stats.encodes == before


def test_what_hangs_on_the_hand_is_said_and_shown(predictor: Predictor, volume: Volume) -> None:
    near_the_edge = Prompts(points=np.array([[13, 14, 1]]), labels=np.array([1]))
    advisor = advised(predictor, volume, near_the_edge)
    assert max(advisor.changes) > 0.5
    assert advisor.sentence == "this point matters: 3 mm further right changes the answer by 100 %"
    assert advisor.edge == tuple(int(n) for n in VIEW.to_display([[13, 14, 1]])[0])
    place = advisor.next_click()
    assert place is not None and place.worth > 0
    assert advisor.answer.pixels[place.at] != place.positive
    middle = advised(predictor, volume, Prompts(points=np.array([[10, 15, 1]]), labels=np.array([1])))
    assert max(middle.changes) < 0.05 and middle.next_click() is None  # three millimetres off it is the same square


def test_without_a_hint_that_moves_there_is_nothing_to_say(predictor: Predictor, volume: Volume) -> None:
    advisor = advised(predictor, volume, Prompts(points=np.array([[10, 15, 1]]), labels=np.array([1])))
    still = replace(advisor, prompts=Prompts())
    assert still.changes == () and still.sentence == "" and still.edge is None and still.signs[0] == 0
