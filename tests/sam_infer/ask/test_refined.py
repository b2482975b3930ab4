"""Labels that were found without a hint have their outlines moved as prompted ones have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sam_infer.ask.refined import refined_labels
from sam_infer.automatic.label_search import LabelMap, LabelSearch
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Box
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from tests.sam_infer.slices.test_refiner import Wider

GEOMETRY = Geometry((12, 10, 2), np.eye(4))


@pytest.fixture
def found() -> LabelMap:
    array = np.zeros(GEOMETRY.shape, np.uint8, order="F")
    array[2:5, 2:5, 0], array[7:9, 2:5, 0] = 1, 2
    return LabelMap(Mask(array, GEOMETRY), {"liver": 0.9, "spleen": 0.8})


@pytest.fixture
def search(network) -> LabelSearch:
    volume = Volume(np.asfortranarray(np.random.default_rng(0).integers(0, 90, GEOMETRY.shape, np.int16)), GEOMETRY)
    predictor = Predictor(network, EmbeddingCache(), refiner=Wider())
    return LabelSearch(predictor, volume, 2, range(2), ("liver", "spleen"))


def test_a_label_grows_round_the_others_and_only_where_it_was_found(search, found) -> None:
    moved = refined_labels(search, found).mask.array
    assert (moved[..., 0] != 0).all() and not moved[..., 1].any()
    assert np.array_equal(moved == 2, found.mask.array == 2) and found.mask.array.sum() == 9 + 12


def test_nothing_beyond_the_limit_and_nothing_where_nothing_was_learned(search, found) -> None:
    limited = replace(search, limit=Box.of(np.array([0, 0, 0]), np.array([5, 9, 1])))
    assert not (refined_labels(limited, found).mask.array[6:, :, 0] == 1).any()
    unlearned = replace(search, predictor=replace(search.predictor, refiner=Wider(1.0)))
    assert refined_labels(unlearned, found) is found
    assert refined_labels(search, replace(found, whole=False)).mask is found.mask
