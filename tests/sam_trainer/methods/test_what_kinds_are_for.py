"""What each kind of adapter promises besides the rules that all of them hold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from sam_infer.adapters.kinds.fact3d import Across
from sam_infer.adapters.kinds.hyper import Prompted
from sam_infer.adapters.kinds.registry import for_tag, tags_of
from sam_infer.networks.backbone import Hints
from sam_trainer.config import TrainConfig
from sam_trainer.errors import TrainingError
from sam_trainer.methods.method import adapt
from tests.sam_trainer.methods.small_networks import (
    CLICK,
    SIDE,
    Weights,
    backbones_agree,
    served,
    small_weights,
    stack,
    trainable_of,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def weights() -> Weights:
    return small_weights()


def shaken(weights: Weights, config: TrainConfig) -> dict[str, Tensor]:
    """An adapter of the small ViT as if it were trained: no zeros are left."""
    tensors = adapt(trainable_of(weights, "vit").network, config).tensors()
    generator = torch.Generator().manual_seed(0)
    return {
        name: value + 0.2 * torch.randn(value.shape, generator=generator) if value.is_floating_point() else value
        for name, value in tensors.items()
    }


def embedding(weights: Weights, tensors: Mapping[str, Tensor], pixels: np.ndarray, tag: str = "") -> Tensor:
    return served(weights, "vit", tensors, tag).encode(pixels)["embedding"]


@pytest.mark.parametrize("method", ["sdtrans", "fact3d", "cine"])
def test_a_neighbour_changes_a_slice(method: str, weights: Weights) -> None:
    tensors = shaken(weights, TrainConfig(method=method, with_decoder=False, slices=3))
    network, pixels = served(weights, "vit", tensors), stack(3)
    before = network.encode(pixels)["embedding"]
    for neighbour in (0, 2):
        other = pixels.copy()
        other[neighbour, :8, :8] = 0
        assert (network.encode(other)["embedding"] - before).abs().max() > 1e-4


@pytest.mark.parametrize("method", ["sdtrans", "fact3d", "cine"])
def test_one_slice_alone_is_enough(method: str, weights: Weights) -> None:
    tensors = shaken(weights, TrainConfig(method=method, with_decoder=False, slices=1))
    alone = embedding(weights, tensors, stack(1))
    assert torch.isfinite(alone).all()
    if method == "fact3d":  # the ends are repeated: a slice alone is what three equal ones are
        three = {**tensors, "fact3d/image_encoder/slices": torch.tensor(3)}
        repeated = embedding(weights, three, np.repeat(stack(1), 3, axis=0))
        assert (repeated - alone).abs().max() < 1e-4


def test_the_depth_branch_does_not_see_the_window_grid(weights: Weights) -> None:
    config = TrainConfig(method="sdtrans", with_decoder=False, slices=3)
    network = trainable_of(weights, "vit")
    adapt(network.network, config)
    block = network.network.get_submodule("image_encoder.blocks.0")
    read = torch.randn(3, 8, 8, 32, generator=torch.Generator().manual_seed(0))
    depth = block._depth(read)
    block.window_size = 4
    assert torch.equal(block._depth(read), depth)
    moved = read.clone()
    moved[0, 2, 3, 0] += 1
    changed = (block._depth(moved) - depth).abs().amax(dim=(0, -1)) > 1e-6
    assert changed.nonzero().tolist() == [[2, 3]]  # the same position, whichever window it is in


def test_the_look_across_grows_by_one_slice_for_each_adapter() -> None:
    layer = Across(8, 4, 5)
    generator = torch.Generator().manual_seed(0)
    state = {name: torch.randn(value.shape, generator=generator) for name, value in layer.state_dict().items()}
    layer.load_state_dict(state, assign=True)
    x = torch.randn(5, 3, 3, 8, generator=generator)
    other = x.clone()
    other[0, ..., 0] += 1  # in one channel: the norm does not see what all have in common
    once = (layer(x) - layer(other)).abs().amax(dim=(1, 2, 3)) > 1e-6
    assert once.tolist() == [True, True, False, False, False]
    twice = (layer(x + layer(x)) - layer(other + layer(other))).abs().amax(dim=(1, 2, 3)) > 1e-6
    assert twice.tolist() == [True, True, True, False, False]


def test_a_view_changes_the_answer_through_its_vector_alone(weights: Weights) -> None:
    tensors = shaken(weights, TrainConfig(method="cine", with_decoder=False, slices=3, tags=("LAX", "SAX")))
    assert tags_of(tensors) == ["LAX", "SAX"]
    views = {tag: served(weights, "vit", tensors, tag) for tag in ("LAX", "SAX", "")}
    assert not backbones_agree(views["LAX"], views["SAX"], 3, 1e-5)
    features = views["LAX"].encode(stack(3))
    assert torch.equal(features["embedding"], views["SAX"].encode(stack(3))["embedding"])
    name = "cine/mask_decoder.transformer/tag={}/token"
    same = {**tensors, name.format("LAX"): tensors[name.format("SAX")]}
    assert backbones_agree(served(weights, "vit", same, "LAX"), views["SAX"], 3)


def test_a_domain_that_nobody_taught_gets_the_shared_part(weights: Weights) -> None:
    tensors = shaken(weights, TrainConfig(method="domain_bank", with_decoder=False, tags=("a", "b")))
    one, other, unknown = (embedding(weights, tensors, stack(1), tag) for tag in ("a", "b", "c"))
    assert not torch.equal(one, other) and not torch.equal(one, unknown)
    shared = {name: value for name, value in tensors.items() if "tag=" not in name}
    assert torch.equal(unknown, embedding(weights, shared, stack(1)))
    assert for_tag(tensors, "c").keys() == shared.keys() < for_tag(tensors, "a").keys()


def test_two_prompts_make_two_matrices_and_no_prompt_makes_none() -> None:
    layer, generator = Prompted(16, 4, 8), torch.Generator().manual_seed(0)
    state = {name: torch.randn(value.shape, generator=generator) for name, value in layer.state_dict().items()}
    layer.load_state_dict(state, assign=True)
    one, other, nothing = (
        layer.matrix(torch.randn(2, 16, generator=generator)).unbind() + layer.matrix(torch.zeros(1, 16)).unbind()
    )
    assert not torch.equal(one, other) and torch.equal(nothing, torch.eye(4))


def test_how_prompts_are_padded_changes_no_weights(weights: Weights) -> None:
    config = TrainConfig(method="hyper")
    network = trainable_of(weights, "tiny")
    adaptation = adapt(network.network, config)
    for parameter in adaptation.parameters():
        torch.nn.init.normal_(parameter, std=0.05, generator=torch.Generator().manual_seed(0))
    layer = network.network.get_submodule("mask_decoder.transformer.layers.0")
    nothing = network.network.get_parameter("prompt_encoder.not_a_point_embed.weight")
    said = torch.randn(1, 7, nothing.shape[1], generator=torch.Generator().manual_seed(1))
    padded = torch.cat([said, nothing.detach()[None].expand(1, 3, -1)], dim=1)
    assert torch.equal(layer._prompt(padded), layer._prompt(said))
    assert not layer._prompt(padded[:, [0, 1, 2, 3, 4, 7, 8]]).any()


def test_the_dense_prompt_speaks_where_no_mask_was_given(weights: Weights) -> None:
    tensors = shaken(weights, TrainConfig(method="dense_prompt"))
    tensors["dense_prompt/mask_decoder/iou_token"] = weights["vit"]["mask_decoder.iou_token.weight"]
    plain, adapted = served(weights, "vit", {}), served(weights, "vit", tensors)
    features = plain.encode(stack(1))
    assert not np.array_equal(adapted.decode(features, CLICK).logits, plain.decode(features, CLICK).logits)
    mask = np.ones((SIDE // 4, SIDE // 4), np.float32)
    told = Hints(CLICK.points_xy, CLICK.labels, None, mask)
    assert np.array_equal(adapted.decode(features, told).logits, plain.decode(features, told).logits)


def test_checkpointing_gives_the_same_gradients(weights: Weights) -> None:
    found = []
    for checkpointing in (False, True):
        network = trainable_of(weights, "vit")
        config = TrainConfig(method="fact3d", with_decoder=False, checkpointing=checkpointing)
        adaptation = adapt(network.network, config)
        network.encode(network.image(stack(3))[None])["embedding"].square().mean().backward()
        found.append([value.grad for value in adaptation.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "lora", "slices": 3}, "slices must be 1, or odd with one of fact3d, sdtrans, cine"),
        ({"method": "fact3d", "slices": 4}, "slices must be 1, or odd"),
        ({"method": "lora", "tags": ("a",)}, "tags are for domain_bank, cine"),
        ({"method": "cine", "tags": ("a/b",)}, "tags must be different words"),
        ({"method": "domain_bank", "tags": ("a", "a")}, "tags must be different words"),
        ({"method": "domain_bank", "checkpointing": True}, "domain_bank cannot be trained with checkpointing"),
    ],
)
def test_what_a_method_has_no_use_for_is_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        TrainConfig(**changes)
