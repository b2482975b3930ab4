"""MobileSAM's encoder computes what the published implementation computes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sam_infer.networks.mobile_sam import TinyViT, WindowAttention, WindowBlock
from sam_infer.networks.sam_vit import build, with_weights

# The reference is in float64; at these places twelve blocks in float32 end up 2e-4 beside it, on values of order one.
ROUNDING = 1e-3
REFERENCE = Path(__file__).parents[2] / "reference" / "mobile_sam_embedding.json"


def filled(name: str, like: torch.Tensor) -> torch.Tensor:
    """Weights from a formula, so that the reference does not hang on a random generator."""
    if not like.dtype.is_floating_point:
        return torch.zeros(like.shape, dtype=like.dtype)
    values = torch.sin(torch.arange(like.numel(), dtype=torch.float64) * 0.7310585 + len(name)).view(like.shape)
    if name.endswith("running_var"):
        values = 1 + 0.5 * values
    elif like.ndim == 1:
        values = 0.1 * values + (1.0 if name.endswith("weight") else 0.0)
    elif not name.endswith("attention_biases"):
        values = 1.5 * values / like[0].numel() ** 0.5
    return values.float()


def image() -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(1024.0), torch.arange(1024.0), indexing="ij")
    return torch.stack([torch.sin(x / 37), torch.cos(y / 53), torch.sin((x + 2 * y) / 91)])[None]


def embedding(encoder: TinyViT) -> torch.Tensor:
    encoder.load_state_dict({name: filled(name, like) for name, like in encoder.state_dict().items()})
    with torch.inference_mode():
        return encoder.eval()(image())


def distance_to_reference(values: torch.Tensor) -> float:
    expected = json.loads(REFERENCE.read_text())
    places = torch.tensor([place for place, _ in expected["values"]])
    wanted = torch.tensor([*(value for _, value in expected["values"]), expected["mean"], expected["std"]])
    found = torch.cat([values[0][tuple(places.T)], values.mean()[None], values.std()[None]])
    return float((found - wanted).abs().max())


def test_embedding_equals_the_published_implementations() -> None:
    values = embedding(TinyViT())
    assert values.shape == (1, 256, 64, 64)
    assert distance_to_reference(values) < ROUNDING


@pytest.mark.slow
def test_the_reference_sees_a_wrong_attention_bias() -> None:
    encoder = TinyViT()
    for module in encoder.modules():
        if isinstance(module, WindowAttention):
            module.bias_index = module.bias_index.flip(0)
    assert distance_to_reference(embedding(encoder)) > 10 * ROUNDING


def test_bias_index_is_the_distance_between_two_tokens() -> None:
    index = WindowAttention(8, 2, 3).bias_index
    # tokens 0..8 are rows of a 3 x 3 window: from (0, 0) to (1, 2), from (2, 1) to (0, 0)
    assert index[0, 5] == 1 * 3 + 2
    assert index[7, 0] == 2 * 3 + 1
    assert torch.equal(index, index.T)


def test_a_grid_that_no_window_divides_keeps_its_shape() -> None:
    block = WindowBlock(8, 2, 7).eval()
    assert block(torch.randn(1, 8, 9, 16)).shape == (1, 8, 9, 16)


def test_a_network_built_without_memory_takes_weights(mobile_state: dict[str, torch.Tensor]) -> None:
    network = with_weights(build("mobile_sam"), mobile_state)
    assert not [name for name, value in network.named_parameters() if value.is_meta]
    assert not [name for name, value in network.named_buffers() if value.is_meta]
    assert not network.training
    grid = network.image_encoder(torch.zeros(1, 3, 128, 128))
    assert grid.shape == (1, 256, 8, 8)
