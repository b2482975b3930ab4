"""Proposals: the surest regions first, none of them twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sam_infer.automatic.propose import propose
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Volume
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Options, Predictor


@pytest.fixture
def volume() -> Volume:
    """Two bright squares of different size in the dark, on a flipped grid."""
    array = np.zeros((64, 64, 3), np.int16, order="F")
    array[8:24, 8:24, 1] = 200
    array[36:60, 36:60, 1] = 220
    return Volume(array, Geometry((64, 64, 3), LPS_TO_RAS))


def run(volume: Volume, network: Any, count: int, index: int = 1) -> list[Any]:
    predictor = Predictor(network, EmbeddingCache())
    options = Options(window="full", zoom=None, candidate=1)  # what lies near the click
    view = volume.view(2, index)
    return propose(volume, view, count, lambda prompts: predictor.predict(volume, prompts, index, options))


def test_regions_do_not_overlap_and_lie_on_something(volume: Volume, network: Any) -> None:
    found = run(volume, network, 5)
    assert 2 <= len(found) <= 5
    total = np.sum([proposal.pixels for proposal in found], axis=0)
    assert total.max() == 1
    bright = volume.pixels(volume.view(2, 1)) > 100
    assert (total[~bright] == 0).mean() > 0.99
    assert [p.quality for p in found] == sorted((p.quality for p in found), reverse=True)
    assert network.encodes == 1


def test_no_more_than_asked_for(volume: Volume, network: Any) -> None:
    assert len(run(volume, network, 1)) == 1


def test_nothing_on_an_empty_slice(volume: Volume, network: Any) -> None:
    assert run(volume, network, 3, index=0) == []


def test_no_labels(volume: Volume, network: Any) -> None:
    with pytest.raises(PromptError, match="label"):
        run(volume, network, 0)
