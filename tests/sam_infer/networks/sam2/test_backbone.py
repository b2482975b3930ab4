"""SAM 2 as a `Backbone`: shapes, prompts, the same numbers whatever is asked together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sam_infer.errors import ModelError
from sam_infer.networks.backbone import Hints
from sam_infer.networks.frame import whole
from sam_infer.networks.slice_memory import RemembersSlices

pytest.importorskip("sam2")

from sam_infer.networks.sam2.architecture import HieraShape, build, with_weights
from sam_infer.networks.sam2.backbone import Sam2Backbone

SHAPE = HieraShape(16, 1, (1, 1, 2, 1), (3,), input_size=128)


@pytest.fixture(scope="module")
def backbone(seeded_weights: Callable[..., dict[str, torch.Tensor]]) -> Sam2Backbone:
    network = build(SHAPE)
    return Sam2Backbone("small", with_weights(network, seeded_weights(network.state_dict())))


@pytest.fixture(scope="module")
def features(backbone: Sam2Backbone) -> dict[str, torch.Tensor]:
    frame = np.random.default_rng(0).integers(0, 255, (1, 128, 128, 3)).astype(np.uint8)
    return dict(backbone.encode(frame))


def test_three_levels_are_kept(backbone: Sam2Backbone, features: dict[str, torch.Tensor]) -> None:
    shapes = {name: tuple(level.shape) for name, level in features.items()}
    assert shapes == {"embedding": (1, 256, 8, 8), "middle": (1, 64, 16, 16), "fine": (1, 32, 32, 32)}
    assert (backbone.input_size, backbone.low_res, backbone.most_remembered) == (128, 32, 15)
    assert isinstance(backbone, RemembersSlices)


def test_a_slice_is_stretched_to_a_square(backbone: Sam2Backbone) -> None:
    frame = backbone.frame(whole(50, 100), (2.0, 1.0))
    assert (frame.input_height, frame.input_width, frame.resampling) == (128, 128, "bilinear")


def test_one_click_chooses_among_three_masks_a_box_gets_the_fourth(
    backbone: Sam2Backbone, features: dict[str, torch.Tensor]
) -> None:
    point = np.array([[60.0, 70.0]], np.float32)
    clicked = backbone.decode(features, Hints(point, np.array([1])))
    assert clicked.logits.shape == (4, 32, 32) and clicked.preferred == clicked.scores[:3].argmax()
    boxed = backbone.decode(features, Hints(point[:0], np.zeros(0, np.int64), np.array([20, 20, 90, 90], np.float32)))
    assert boxed.preferred == 3
    again = backbone.decode(features, Hints(point, np.array([1]), None, boxed.logits[3]))
    assert again.preferred == 3 and np.abs(again.logits - clicked.logits).max() > 1e-3
    logits, scores = backbone.decode_clicks(features, np.concatenate([point, point / 2]))
    assert logits.shape == (2, 4, 32, 32)
    np.testing.assert_allclose(logits[0], clicked.logits, atol=0.02)  # of a spread of 20
    np.testing.assert_allclose(scores[0], clicked.scores, atol=1e-5)


def test_what_cannot_be_asked_is_refused(backbone: Sam2Backbone, features: dict[str, torch.Tensor]) -> None:
    nothing = Hints(np.zeros((0, 2), np.float32), np.zeros(0, np.int64))
    with pytest.raises(ModelError, match="neither a point nor a box"):
        backbone.prompted(features, nothing)
    with pytest.raises(ModelError, match="32 x 32"):
        backbone.decode(features, Hints(nothing.points_xy, nothing.labels, None, np.zeros((4, 4), np.float32)))
    with pytest.raises(ModelError, match="features of one frame"):
        backbone.decode({name: torch.cat([level, level]) for name, level in features.items()}, nothing)
