"""An exported SAM gives its weights back: under the published names, and with the same answers."""

from __future__ import annotations

import pytest
import torch

from sam_infer.networks.mobile_sam import TinyViT
from sam_infer.weights.exported_sam import CLASSIFIER, module_path, sam_tensors
from sam_infer.weights.onnx_file import read_onnx
from sam_infer.weights.tensor_layout import compare, layout_of, published_layout
from tests.sam_infer.weights.exporter import exported

State = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def recovered(mobile_state: State) -> State:
    encoder, decoder = exported(mobile_state)
    return sam_tensors(read_onnx(encoder), read_onnx(decoder))


def test_every_name_and_shape_is_there(recovered: State) -> None:
    assert str(compare(layout_of(recovered), published_layout("mobile_sam"))) == "none"


def test_all_that_was_not_folded_is_the_same_to_the_bit(recovered: State, mobile_state: State) -> None:
    folded = [key for key in mobile_state if ".c." in key or ".bn." in key]
    for key, tensor in mobile_state.items():
        if key not in folded and key not in CLASSIFIER:
            assert torch.equal(recovered[key], tensor), key
    assert all(not recovered[key].any() for key in CLASSIFIER)


def test_the_encoder_answers_as_before_it_was_folded(recovered: State, mobile_state: State) -> None:
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    before, after = (_embedding(state, image) for state in (mobile_state, recovered))
    assert before.std() > 0.1
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def _embedding(state: State, image: torch.Tensor) -> torch.Tensor:
    with torch.device("meta"):
        network = TinyViT(64)
    prefix = "image_encoder."
    weights = {key.removeprefix(prefix): tensor for key, tensor in state.items() if key.startswith(prefix)}
    network.load_state_dict(weights, assign=True)
    return network.eval()(image)


@pytest.mark.parametrize(
    ("node", "path"),
    [
        ("/layers.1/blocks.0/attn/qkv/MatMul", "layers.1.blocks.0.attn.qkv"),
        ("/patch_embed/seq/seq.0/c/Conv", "patch_embed.seq.0.c"),
        ("/neck/neck.1/Mul", "neck.1"),
        ("/Expand_1", ""),
        ("", ""),
    ],
)
def test_a_node_tells_its_module(node: str, path: str) -> None:
    assert module_path(node) == path
