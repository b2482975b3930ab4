"""What the network is told of an earlier answer: unchanged on the same frame, resampled on another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.frame import Crop, whole
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.look import Clock, Look
from sam_infer.slices.predictor import Predictor
from sam_infer.slices.rank import Ranking
from sam_infer.weights.prompting import Ranker
from sam_trainer.synthetic.patients import grid

CLICK = Prompts(2, np.array([[30, 40, 0]]), np.array([1]))


@pytest.fixture
def look(network: Any) -> Look:
    array = np.zeros((128, 128, 1), np.int16)
    array[24:44, 30:60] = 200
    volume = Volume(array, grid((128, 128, 1), (1, 1, 3)), "CT")
    predictor = Predictor(network, EmbeddingCache())

    def encoded(*about: Any) -> Any:
        return predictor.features(volume, *about)

    return Look(network, encoded, volume, volume.view(2, 0), choose_window(volume), Clock())


def test_an_answer_is_fed_back_unchanged_or_resampled(look: Look, network: Any) -> None:
    told, plain = [], network.decode
    network.decode = lambda features, hints: (told.append(hints.mask_logits), plain(features, hints))[1]
    first = look.decode(whole(128, 128), CLICK, None, passes=2)
    assert told[0] is None and told[1] is not None
    look.decode(whole(128, 128), CLICK, first)
    assert np.array_equal(told[2], first.candidates.logits[first.candidates.preferred])
    look.decode(Crop(16, 16, 64, 64), CLICK, first)
    small, seen = told[3], first.logits(look.view)
    assert small.shape == (128, 128) and small[50, 30] == pytest.approx(seen[16 + 25, 16 + 15], abs=1.5)
    assert set(look.clock.seconds) == {"encode", "decode"}


def test_a_ranker_chooses_for_a_single_click_only(look: Look) -> None:
    ranking = replace(look, ranking=Ranking(Ranker({"candidate_1": 1.0})))
    assert ranking.decode(whole(128, 128), CLICK, None).candidates.preferred == 1
    two = Prompts(2, np.array([[30, 40, 0], [35, 50, 0]]), np.array([1, 1]))
    assert ranking.decode(whole(128, 128), two, None).candidates.preferred == 0
    assert look.decode(whole(128, 128), CLICK, None).candidates.preferred == 0
