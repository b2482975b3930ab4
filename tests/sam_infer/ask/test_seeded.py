"""Prompt Once: an object of one case is found in others, and the confidence says where somebody must look."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.ask.answer import answer
from sam_infer.ask.context import Context
from sam_infer.ask.question import SeededQuestion
from sam_infer.ask.seeded import LOOK_BELOW, SeededObject, with_label
from sam_infer.automatic.example import AcceptedCase
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.networks.backbone import Backbone
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.measures.overlap import dice
from sam_trainer.synthetic.patients import grid
from tests.samlabel.region_growing import RegionGrowing


def two_boxes(shift: int = 0) -> AcceptedCase:
    """Two bright blocks in the dark, values 1 and 2; 24 x 24 mm each."""
    array = np.zeros((64, 64, 10), np.int16, order="F")
    truth = np.zeros(array.shape, np.uint8, order="F")
    truth[10 + shift : 22 + shift, 12:24, 2:8], truth[40:52, 36 + shift : 48 + shift, 3:7] = 1, 2
    array[truth == 1], array[truth == 2] = 400, 500
    geometry = grid(array.shape, (2, 2, 4))
    return AcceptedCase(Volume(array, geometry, "MR"), Mask(truth, geometry))


def seeded(value: int, volume: Volume, cases: list[AcceptedCase], network: Backbone | None = None) -> SeededObject:
    predictor = Predictor(network or RegionGrowing("encoder"), EmbeddingCache())
    question = SeededQuestion("second", value)
    return answer(question, predictor, volume, Context(cases=lambda: cases)).found


def test_one_prompted_case_serves_another(record_property) -> None:
    seed, other = two_boxes(), two_boxes(3)
    found = seeded(2, other.volume, [seed])
    overlap = dice(found.object.mask.array > 0, other.labels.array == 2)
    record_property("dice", overlap)
    assert overlap > 0.9 and overlap >= dice(found.warped.array > 0, other.labels.array == 2)
    assert found.confidence >= LOOK_BELOW and found.notes == ()


def test_what_is_not_where_it_is_expected_is_to_be_looked_at(network: Backbone) -> None:
    seed, other = two_boxes(), two_boxes()
    empty = other.volume.array.copy(order="F")
    empty[40:52, 36:48] = 0  # the second block is not there
    found = seeded(2, Volume(empty, other.volume.geometry, "MR"), [seed], network)
    assert found.confidence < LOOK_BELOW and any("look at this one" in note for note in found.notes)


def test_a_case_without_the_label_seeds_nothing() -> None:
    seed = two_boxes()
    (only,) = with_label([seed], 2, "second")
    assert np.array_equal(only.labels.array == 1, seed.labels.array == 2)
    with pytest.raises(PromptError, match="has the label third") as refused:
        with_label([seed], 3, "third")
    assert refused.value.field == "seed_from"
    with pytest.raises(PromptError, match="no accepted label of another image"):
        seeded(2, seed.volume, [seed])  # of itself
