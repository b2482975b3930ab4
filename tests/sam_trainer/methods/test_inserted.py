"""What every kind of adapter has to hold, on every architecture that it has places in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.kinds.kind import Form
from sam_infer.adapters.kinds.registry import INSERTING, merged_alone
from sam_infer.errors import AdapterError, SamError
from sam_infer.networks.backbone import middle_maps
from sam_infer.networks.optimizer import PlainAdamW
from sam_infer.networks.sam_vit import VIT_SHAPES, build
from sam_trainer.config import FOR_MOBILE_SAM, METHODS, TrainConfig
from sam_trainer.methods.inserted import form_of
from sam_trainer.methods.method import Adaptation, adapt
from sam_trainer.methods.trainable import Trainable
from sam_trainer.training.state import FitState, Standing
from tests.sam_trainer.methods.small_networks import (
    Weights,
    backbone_of,
    backbones_agree,
    served,
    small_weights,
    stack,
    trainable_of,
)

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORKS: Mapping[str, str] = {"tiny": "tiny", "vit": "vit_b", "mobile": "mobile_sam"}  # and the model whose rules hold
KINDS = [method for method in METHODS if method not in ("lora", "decoder", "full")]
CHANGED = {
    "lora_decoder": {"targets": ("q", "v", "mlp", "conv")},
    "bottleneck": {"decoder_adapters": True},
    "domain_bank": {"tags": ("a", "b")},
    "cine": {"tags": ("SAX", "LAX")},
}
MERGED = ("lora_decoder",)


def config_of(method: str, **more: object) -> TrainConfig:
    given = {"with_decoder": False, **CHANGED.get(method, {}), **more}
    return TrainConfig(method=method, **given)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return small_weights()


def answer(network: Trainable, slices: int, adapted: bool = True) -> Tensor:
    """Logits of one click on a picture, through the encoder; without adapter each of its neighbours alone."""
    if adapted:
        features = network.encode(network.image(stack(slices))[None])
    else:
        images = torch.stack([network.image(one[None]) for one in stack(slices)])
        features = {name: middle_maps(maps, slices) for name, maps in network.encode(images).items()}
    points, labels, nowhere = torch.tensor([[[60.0, 70.0]]]), torch.ones(1, 1), torch.full((1, 4), torch.nan)
    return network.decode(features, points, labels, nowhere, None)[0]


def teach(network: Trainable, state: FitState, steps: int, config: TrainConfig) -> None:
    """With a tag, each step is about images of each."""
    for _ in range(steps):
        for tag in config.tags or ("",):
            network.told.tag = tag
            (answer(network, config.depth) - 3).square().mean().backward()
        state.optimizer.step()
        state.optimizer.zero_grad()


def state_of(adaptation: Adaptation) -> FitState:
    return FitState(adaptation, PlainAdamW(adaptation.parameters(), lr=1e-2), Standing(), {})


@dataclass
class Learned:
    """A network before, at and after the first steps."""

    name: str
    config: TrainConfig
    before: Tensor
    begun: Tensor
    network: Trainable
    adaptation: Adaptation
    others: dict[str, tuple[Tensor, Tensor]]  # what is not its own: before, and now
    first: dict[str, Tensor]
    later: dict[str, Tensor]


PAIRS = [(method, name) for method in KINDS for name in NETWORKS if name != "mobile" or method in FOR_MOBILE_SAM]


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: "-".join(pair))
def learned(request: pytest.FixtureRequest, weights: Weights, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    method, name = request.param
    config, network = config_of(method), trainable_of(weights, name)
    with torch.no_grad():
        before = answer(network, config.depth, adapted=False)
    own = {key: value.detach() for key, value in network.network.state_dict(keep_vars=True).items()}
    kept = {key: value.clone() for key, value in own.items()}
    adaptation = adapt(network.network, config, network.told)
    with torch.no_grad():
        begun = answer(network, config.depth)
    first, state = adaptation.tensors(), state_of(adaptation)
    teach(network, state, 2, config)
    state.save(tmp_path_factory.getbasetemp())
    resumed = trainable_of(weights, name)
    again = state_of(adapt(resumed.network, config, resumed.told))
    again.load(tmp_path_factory.getbasetemp())
    for one, where in ((state, network), (again, resumed)):
        teach(where, one, 2, config)
    theirs = again.adaptation.tensors()
    later = adaptation.tensors()
    assert all(torch.equal(later[key], theirs[key]) for key in later), "it does not resume bit for bit"
    others = {key: (kept[key], own[key]) for key in own}
    return Learned(name, config, before, begun, network, adaptation, others, first, later)


def test_at_first_it_changes_nothing(learned: Learned) -> None:
    assert (learned.begun - learned.before).abs().max() == 0


def test_only_its_own_tensors_change_and_all_of_them(learned: Learned) -> None:
    assert all(torch.equal(before, now) for before, now in learned.others.values())
    trained = {name for name, value in learned.later.items() if value.is_floating_point()}
    still = {name for name in trained if torch.equal(learned.first[name], learned.later[name])}
    assert not still


def test_stored_and_served_it_answers_what_training_saw(learned: Learned, weights: Weights) -> None:
    where = Provenance("tiny", "b", learned.config.method, {}, 0, (), ())
    stored = Adapter.from_bytes(Adapter(learned.later, where).to_bytes())
    tag = learned.network.told.tag  # of the last step
    there, slices = served(weights, learned.name, stored.tensors, tag), learned.config.depth
    assert there.depth == slices
    merges = learned.config.method in MERGED
    assert backbones_agree(there, backbone_of(learned.network), slices, 2e-3 if merges else 0.0)
    if slices == 1:
        assert not backbones_agree(there, served(weights, learned.name, {}), slices, 1e-4)


def test_what_can_be_merged_is_and_the_rest_is_refused_by_name(learned: Learned, weights: Weights) -> None:
    if learned.config.method in MERGED:
        assert set(merged_alone(weights[learned.name], learned.later)) == set(weights[learned.name])
    else:
        with pytest.raises(AdapterError, match=f"kind {learned.config.method} cannot be merged into weights"):
            merged_alone(weights[learned.name], learned.later)


@pytest.mark.parametrize("method", [method for method in KINDS if method not in FOR_MOBILE_SAM])
def test_an_encoder_without_places_is_refused_by_name(method: str, weights: Weights) -> None:
    with pytest.raises(SamError, match="needs an encoder of"):
        adapt(trainable_of(weights, "mobile").network, config_of(method))
    with pytest.raises(SamError, match="mobile_sam can be trained with"):
        replace(config_of(method), model="mobile_sam")


@pytest.mark.parametrize("method", [method for method in INSERTING])
def test_a_file_that_lacks_a_tensor_is_refused(method: str, weights: Weights) -> None:
    tensors = adapt(trainable_of(weights, "tiny").network, config_of(method)).tensors()
    name = max(name for name in tensors if "tag=" not in name)  # a view less is another adapter, and whole
    with pytest.raises(AdapterError, match=r"not whole|does not fit"):
        Adapter(
            {key: value for key, value in tensors.items() if key != name}, Provenance("tiny", "b", "", {}, 0, (), ())
        )


@pytest.fixture(scope="module")
def published() -> Iterator[Callable[[str], torch.nn.Module]]:
    """SAM's three sizes on the meta device, each built once: nothing is inserted, only counted."""
    found: dict[str, torch.nn.Module] = {}

    def network(name: str) -> torch.nn.Module:
        if name not in found:
            found[name] = build(name)
        return found[name]

    yield network


def bottleneck(width: int, hidden: int) -> int:
    return 2 * width * hidden + hidden + width


def formula(method: str, name: str) -> int:
    """How many numbers train, from the shape of a network alone."""
    shape = VIT_SHAPES[name]
    width, blocks = shape.width, shape.depth
    quarter = bottleneck(width, width // 4)
    in_decoder = 6 * bottleneck(256, 64)
    grid, rank, narrow = (1024 // 16) ** 2, 4, width // 4
    fact = 2 * width * rank + 2 * blocks * rank**2
    across = 2 * width * narrow + 3 * narrow**2 + narrow + 2 * width
    time = 2 * width + 3 * (width + 1) * narrow + 5 * shape.heads + (narrow + 1) * width
    image_prompt = 256 + bottleneck(256, 64)
    return {
        "lora_decoder": 4 * 4 * width * blocks + 5888 * 4,
        "bottleneck": 2 * blocks * quarter + in_decoder,
        "dense_prompt": 256 * grid + 256,
        "fact3d": fact + 2 * blocks * across,
        "sdtrans": blocks * (3 * quarter + 5 * shape.heads),
        "domain_bank": 3 * blocks * quarter + 2 * 256,
        "cine": blocks * (time + quarter) + 2 * 256,
        "hyper": 2 * (bottleneck(256, 64) + 32 * 256 + 64 * 64 * 32 + 2 * 64),
        "lora_conv": 2 * blocks * (2 * rank * width + 9 + 25) + image_prompt,
    }[method]


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
@pytest.mark.parametrize("method", KINDS)
def test_as_many_numbers_train_as_the_formula_says(
    method: str, name: str, published: Callable[[str], torch.nn.Module]
) -> None:
    config = replace(config_of(method), model=name, targets=("q", "v"))
    if method in INSERTING:
        tensors = INSERTING[method].begin(published(name), form_of(config))
        assert all(value.is_meta for value in tensors.values() if value.is_floating_point())
        count = sum(value.numel() for value in tensors.values() if value.is_floating_point())
    else:
        count = sum(value.numel() for value in adapt(build(name), config).parameters())
    assert count == formula(method, name)


def test_fact_and_its_adapters_are_as_many_as_the_papers_say(published: Callable[[str], torch.nn.Module]) -> None:
    for name, fact, adapters in (("vit_b", 73_728, 24_818_688), ("vit_h", 147_456, None)):
        tensors = INSERTING["fact3d"].begin(published(name), Form(rank=32, width=384, slices=5))
        sizes = {key: value.numel() for key, value in tensors.items() if value.is_floating_point()}
        factors = sum(size for key, size in sizes.items() if ".attn.qkv/" in key or key.startswith("image_encoder/"))
        assert factors == fact and adapters in (None, sum(sizes.values()) - factors)


def test_one_bottleneck_is_as_large_as_the_paper_says() -> None:
    assert bottleneck(768, 192) == 295_872 and bottleneck(1280, 320) == 820_800 and bottleneck(256, 64) == 33_088
