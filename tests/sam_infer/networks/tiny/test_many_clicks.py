"""Many clicks on one slice: the decoder's own numbers, though most of its work is done otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_infer.networks.tiny.backbone import embedded_model
from sam_infer.networks.tiny.many_clicks import ManyClicks
from sam_infer.networks.tiny.model import INPUT_SIZE, TinySam

# In model pixels, some on the frame's edges and corners, where convolutions see zeros.
CLICKS = [[0, 0], [255, 255], [255, 0], [3, 128], [70.5, 99], [128, 254], [180, 60], [140, 140], [31, 200]]


@pytest.fixture(scope="module")
def model() -> TinySam:
    return embedded_model().requires_grad_(False).eval()


def slice_with_objects(side: int) -> torch.Tensor:
    pixels = np.random.default_rng(0).integers(20, 60, (side, side))
    pixels[side // 5 : side // 2, side // 4 : side // 2] += 120
    pixels[side // 2 : -20, side // 2 : -30] += 60
    return torch.tensor(pixels).float().expand(1, 3, -1, -1)


@pytest.mark.parametrize("side", [INPUT_SIZE, INPUT_SIZE // 2])
@torch.inference_mode()
def test_masks_and_scores_are_those_of_the_plain_decoder(one_thread: None, model: TinySam, side: int) -> None:
    features = model.encode(slice_with_objects(side))
    clicks = torch.tensor(CLICKS) * side / INPUT_SIZE
    logits, scores = ManyClicks.on(model, features).decode(clicks)
    plain, judged = model.decode(features, clicks[:, None], torch.ones(len(CLICKS), 1))
    assert (logits - plain).abs().max() < 2e-3 and (scores - judged).abs().max() < 1e-4
    both = ((logits > 0) & (plain > 0)).sum((2, 3))
    dice = 2 * both / ((logits > 0).sum((2, 3)) + (plain > 0).sum((2, 3))).clamp(min=1)
    assert dice[(plain > 0).any(-1).any(-1)].min() > 0.999
