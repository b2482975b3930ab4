"""Many clicks on one slice: the decoder's own numbers, though most of its work is done otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_infer.networks.tiny.backbone import embedded_model
from sam_infer.networks.tiny.many_clicks import ManyClicks
from sam_infer.networks.tiny.model import INPUT_SIZE, TinySam
from sam_infer.networks.tiny.two_way import two_way

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


@torch.inference_mode()
def test_places_need_no_projection(one_thread: None, model: TinySam) -> None:
    """With any number of tokens, what the transformer gives is what SAM's own code gives."""
    transformer, draw = model.mask_decoder.transformer, torch.Generator().manual_seed(0)
    for count in (1, 9):
        places, tokens = (torch.randn(2, many, 128, generator=draw) for many in (64, count))
        position = torch.randn(1, 64, 128, generator=draw)
        found = two_way(transformer, places, position, tokens)
        as_maps = (one.transpose(1, 2).unflatten(2, (8, 8)) for one in (places, position.expand(2, -1, -1)))
        for one, other in zip(found, transformer(*as_maps, tokens), strict=True):
            assert torch.allclose(one, other, atol=1e-4)
