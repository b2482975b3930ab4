"""HQ-SAM answers as its authors' code does (segment-anything-hq 0.3), with the same seeded weights."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sam_infer.networks.backbone import Hints
from sam_infer.networks.sam import SamBackbone
from sam_infer.networks.sam_modules import Sam
from sam_infer.networks.sam_vit import VitShape, build_hq, build_vit, with_weights

State = dict[str, torch.Tensor]
SMALL = VitShape(96, 2, 2, (1,), 128)

# Every 11th pixel of the mask for a clear prompt, and its score, as the authors' code gives them.
OFFICIAL = [29.76326, -6.88274, 27.45746, 55.68588, 83.94238, -49.09969, 49.89734, 6.20713, 18.44518]
OFFICIAL_SCORE = -0.37872


@pytest.fixture(scope="module")
def network(seeded_weights: Callable[..., State]) -> Sam:
    network = build_hq(SMALL)
    return with_weights(network, seeded_weights(network.state_dict()))


@torch.inference_mode()
def masks(network: Sam, encoded: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    points = torch.tensor([[[50.0, 40.0], [15.0, 20.0]]]), torch.tensor([[1, 0]])
    sparse, dense = network.prompt_encoder(points, None, None)
    return network.mask_decoder.predict_masks(encoded, network.prompt_encoder.get_dense_pe(), sparse, dense)


@torch.inference_mode()
def encoded(network: Sam) -> torch.Tensor:
    return network.image_encoder(torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)))


def test_the_mask_is_the_authors(network: Sam) -> None:
    logits, scores = masks(network, encoded(network))
    np.testing.assert_allclose(logits[0, 0, ::11, ::11].flatten(), OFFICIAL, atol=0.05)  # of a spread of 30
    assert scores[0, 0].item() == pytest.approx(OFFICIAL_SCORE, abs=1e-3)
    assert logits.shape == (1, 4, 32, 32)


def test_the_embedding_is_that_of_the_sam_that_it_began_as(network: Sam) -> None:
    plain = build_vit(SMALL)
    state = network.state_dict()
    plain = with_weights(plain, {key: state[key] for key in plain.state_dict()})
    features = encoded(network)
    assert torch.equal(features[:, :256], encoded(plain))
    assert (masks(network, features)[0] - masks(plain, encoded(plain))[0]).std() > 1


def test_a_click_goes_all_the_way(network: Sam) -> None:
    backbone = SamBackbone("hq_small", network)
    frame = np.random.default_rng(0).integers(0, 255, (1, 128, 128, 3)).astype(np.uint8)
    found = backbone.decode(backbone.encode(frame), Hints(np.array([[60.0, 70.0]], np.float32), np.array([1])))
    assert found.logits.shape == (4, 32, 32) and np.isfinite(found.logits).all() and found.preferred < 3
