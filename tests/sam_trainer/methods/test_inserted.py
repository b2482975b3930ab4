"""What every kind of adapter has to hold, on every architecture that it has places in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.kinds.registry import INSERTING, insert, merged, merged_alone
from sam_infer.errors import AdapterError, SamError
from sam_infer.models.load import tiny_with
from sam_infer.networks.backbone import Backbone, Hints
from sam_infer.networks.sam import PREPROCESSING, SamBackbone
from sam_infer.networks.sam_vit import VIT_SHAPES, VitShape, build, build_mobile, build_vit, with_weights
from sam_infer.networks.tiny.backbone import TinyBackbone, embedded_model
from sam_trainer.config import FOR_MOBILE_SAM, METHODS, STACKED, TrainConfig
from sam_trainer.methods.method import Adaptation, adapt, form_of
from sam_trainer.methods.trainable import Trainable, TrainableSam, TrainableTiny
from sam_trainer.optimizer import PlainAdamW
from sam_trainer.training.state import FitState, Standing
from tests.sam_infer.conftest import seeded

pytestmark = pytest.mark.usefixtures("one_thread")

SIDE = 128
SMALL = VitShape(32, 2, 2, (1,), SIDE)
CPU = torch.device("cpu")
NETWORKS: Mapping[str, str] = {"tiny": "tiny", "vit": "vit_b", "mobile": "mobile_sam"}  # and the model whose rules hold
KINDS = [method for method in METHODS if method not in ("lora", "decoder", "full")]
CHANGED = {"lora_decoder": {"targets": ("q", "v", "mlp", "conv")}, "bottleneck": {"decoder_adapters": True}}
MERGED = ("lora_decoder",)
CLICK = Hints(np.array([[60.0, 70.0]], np.float32), np.array([1]))


def config_of(method: str, **more: object) -> TrainConfig:
    slices = 3 if method in STACKED else 1
    given = {"slices": slices, "with_decoder": False, **CHANGED.get(method, {}), **more}
    return TrainConfig(method=method, **given)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def weights() -> dict[str, dict[str, Tensor]]:
    small = {"vit": build_vit(SMALL), "mobile": build_mobile(SIDE)}
    return {
        "tiny": dict(embedded_model().state_dict()),
        **{name: seeded(network.state_dict()) for name, network in small.items()},
    }


Weights = Mapping[str, Mapping[str, Tensor]]


def trainable_of(weights: Weights, name: str) -> Trainable:
    copy = {key: value.clone() for key, value in weights[name].items()}
    if name == "tiny":
        return TrainableTiny(tiny_with(copy), CPU)
    network = with_weights(build_vit(SMALL) if name == "vit" else build_mobile(SIDE), copy)
    return TrainableSam(network, PREPROCESSING["sam"], CPU)


def backbone_of(network: Trainable) -> Backbone:
    if isinstance(network, TrainableTiny):
        return TinyBackbone(network.network)
    return SamBackbone("small", network.network)  # type: ignore[arg-type]


def served(weights: Weights, name: str, tensors: Mapping[str, Tensor]) -> Backbone:
    """As a server builds it."""
    network = trainable_of({name: merged(weights[name], tensors)}, name)
    insert(network.network, tensors)
    network.network.requires_grad_(False).eval()
    return backbone_of(network)


def stack(slices: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (slices, SIDE, SIDE, 3), dtype=np.uint8)


def answer(network: Trainable, slices: int) -> Tensor:
    """Logits of one click on a picture, through the encoder; the mask of nothing is asked for too."""
    features = network.encode(network.image(stack(slices))[None])
    points, labels, nowhere = torch.tensor([[[60.0, 70.0]]]), torch.ones(1, 1), torch.full((1, 4), torch.nan)
    return network.decode(features, points, labels, nowhere, None)[0]


def teach(network: Trainable, state: FitState, steps: int, slices: int) -> None:
    for _ in range(steps):
        (answer(network, slices) - 3).square().mean().backward()
        state.optimizer.step()
        state.optimizer.zero_grad()


def state_of(adaptation: Adaptation) -> FitState:
    return FitState(adaptation, PlainAdamW(adaptation.parameters(), lr=1e-2), Standing(), {})


def backbones_agree(one: Backbone, other: Backbone, slices: int, tolerance: float = 0.0) -> bool:
    features, others = one.encode(stack(slices)), other.encode(stack(slices))
    for name in features:
        if not torch.allclose(features[name].float(), others[name].float(), atol=tolerance, rtol=tolerance):
            return False
    logits, theirs = one.decode(features, CLICK).logits, other.decode(features, CLICK).logits
    return np.allclose(logits, theirs, atol=100 * tolerance, rtol=100 * tolerance)


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
        before = answer(network, 1)
    own = {key: value.detach() for key, value in network.network.state_dict(keep_vars=True).items()}
    kept = {key: value.clone() for key, value in own.items()}
    adaptation = adapt(network.network, config)
    with torch.no_grad():
        begun = answer(network, config.slices)
    first, state = adaptation.tensors(), state_of(adaptation)
    teach(network, state, 2, config.slices)
    state.save(tmp_path_factory.getbasetemp())
    resumed = trainable_of(weights, name)
    again = state_of(adapt(resumed.network, config))
    again.load(tmp_path_factory.getbasetemp())
    for one, where in ((state, network), (again, resumed)):
        teach(where, one, 2, config.slices)
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
    there, slices = served(weights, learned.name, stored.tensors), learned.config.slices
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
    name = sorted(tensors)[-1]
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
    grid = (1024 // 16) ** 2
    return {
        "lora_decoder": 4 * 4 * width * blocks + 5888 * 4,
        "bottleneck": 2 * blocks * quarter + in_decoder,
        "dense_prompt": 256 * grid + 256,
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


def test_one_bottleneck_is_as_large_as_the_paper_says() -> None:
    assert bottleneck(768, 192) == 295_872 and bottleneck(1280, 320) == 820_800 and bottleneck(256, 64) == 33_088
