"""SAM-Med2D's encoder answers as its authors' code does, with the same seeded weights; the rest of it is SAM's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from sam_infer.networks.backbone import Hints
from sam_infer.networks.frame import whole
from sam_infer.networks.sam import SamBackbone
from sam_infer.networks.sam_vit import VitShape, build_med2d, with_weights

State = dict[str, torch.Tensor]
SMALL = VitShape(96, 2, 2, (1,), 128)

# Every 64th channel at every third place of the embedding, as the authors' code gives them.
OFFICIAL = [
    [-0.1971, 1.44202, -0.69856, 2.25419, -1.32198, 0.97544, -0.4099, -0.96366, 0.47099],
    [-0.51199, -1.6184, -0.02518, 1.35965, -0.47237, -0.03372, -0.33672, -0.76288, -0.2788],
    [-0.86473, -0.72086, 0.22562, -0.44143, -0.84118, -1.73129, -2.90567, -0.63695, -0.60862],
    [0.00067, -0.48629, -0.21082, -0.31222, -0.60076, -0.02444, 0.01232, -0.92028, -1.54681],
]


def test_the_embedding_is_the_authors_and_a_click_is_answered(seeded_weights: Callable[..., State]) -> None:
    network = build_med2d(SMALL)
    network = with_weights(network, seeded_weights(network.state_dict()))
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        embedding = network.image_encoder(image)
    np.testing.assert_allclose(embedding[0, ::64, ::3, ::3].flatten(1), OFFICIAL, atol=1e-3)

    backbone = SamBackbone("med2d_small", network, "sam_med2d")
    frame = backbone.frame(whole(40, 90), (1.0, 1.0))
    assert (frame.input_height, frame.input_width) == (128, 128)  # stretched to the square, as it was trained
    pixels = np.random.default_rng(0).integers(0, 255, (1, 128, 128, 3)).astype(np.uint8)
    found = backbone.decode(backbone.encode(pixels), Hints(np.array([[60.0, 70.0]], np.float32), np.array([1])))
    assert found.logits.shape == (4, 32, 32) and np.isfinite(found.logits).all()
