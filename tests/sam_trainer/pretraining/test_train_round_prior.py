"""How far boxes are believed to hold round things is learned from answers to boxes."""

from __future__ import annotations

import numpy as np
import pytest

from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.slices.round_prior import prior_weight
from sam_trainer.pretraining.train_round_prior import WEIGHTS, BoxAnswer, fitted, picture, train_round_prior

pytestmark = pytest.mark.usefixtures("one_thread")


def test_where_round_things_gain_and_others_lose_the_weight_follows_the_agreement() -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(len(WEIGHTS))
    answers = []
    for alike in rng.uniform(0.6, 1.0, 60):
        best = 4 if alike > 0.85 else 0
        answers.append(BoxAnswer(float(alike), float(rng.uniform(0.6, 0.9)), 0.9 - 0.02 * np.abs(steps - best)))
    prior = fitted(answers)
    assert prior_weight(0.95, 0.75, prior) > 0.1 > prior_weight(0.7, 0.75, prior)
    assert fitted(answers) == prior


def test_scenes_are_asked_as_a_server_is() -> None:
    backbone = TinyBackbone.embedded()
    stop = iter([False, False, True])
    prior = train_round_prior(backbone, 10, seed=3, should_stop=lambda: next(stop))
    assert np.isfinite([prior.base, prior.agreement, prior.score]).all()


def test_a_scene_is_read_like_a_picture() -> None:
    grey = np.repeat(np.arange(24, dtype=np.uint8).reshape(4, 6, 1), 3, axis=2)
    volume = picture(grey)
    assert np.array_equal(volume.pixels(volume.view(2, 0)), grey[..., 0]) and not volume.is_colour
    coloured = grey.copy()
    coloured[0, 0] = (1, 2, 3)
    assert np.array_equal((found := picture(coloured)).pixels(found.view(2, 0)), coloured) and found.is_colour
