"""What trains, what is kept, and that serving answers what training saw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.kinds.registry import merged
from sam_infer.models.load import BaseNetwork, load_network, tiny_with
from sam_infer.networks.sam import PREPROCESSING
from sam_infer.networks.sam_vit import VIT_SHAPES, VitShape, build, build_vit, with_weights
from sam_infer.networks.tiny.backbone import ENCODER_PREFIXES
from sam_infer.networks.tiny.model import TinySam
from sam_infer.weights.fingerprint import Fingerprint
from sam_trainer.config import TrainConfig
from sam_trainer.errors import TrainingError
from sam_trainer.methods.lora import encoder_places
from sam_trainer.methods.method import Adaptation, adapt
from sam_trainer.methods.trainable import TrainableSam
from tests.sam_infer.conftest import seeded

# ViT-B's width and heads, two blocks, a sixteenth of its input: every kind of layer is in it.
SMALL = VitShape(768, 2, 12, (1,), 128)

DECODER_PARAMETERS = 4_058_340


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def small_weights() -> dict[str, torch.Tensor]:
    return seeded(build_vit(SMALL).state_dict())


@pytest.fixture(scope="module")
def tiny() -> BaseNetwork:
    return load_network("tiny")


def copy_of(weights: dict[str, torch.Tensor]) -> nn.Module:
    return with_weights(build_vit(SMALL), {name: value.clone() for name, value in weights.items()})


def where(model: str, base: str = "b") -> Provenance:
    return Provenance(model, base, "lora", {}, 0, (), ())


def one_step(network: nn.Module, adaptation: Adaptation, side: int, lr: float = 1e-3) -> None:
    """A real gradient step on what an encoder and a decoder make of a picture and a click."""
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(3))
    optimizer = torch.optim.Adam(adaptation.parameters(), lr=lr)
    # the first step moves b, which is zero, and leaves a without a gradient; the second moves both
    for _ in range(2):
        answer(network, image).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def answer(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Logits of one click."""
    points, labels = torch.tensor([[[20.0, 30.0]]]), torch.ones(1, 1)
    if isinstance(network, TinySam):
        return network.decode(network.encode(100 + 50 * image), points, labels)[0]
    prompted = TrainableSam(network, PREPROCESSING["sam"], torch.device("cpu"))
    return prompted.decode(prompted.encode(image), points, labels, torch.full((1, 4), torch.nan), None)[0]


@pytest.mark.parametrize(
    ("name", "rank", "count"),
    [("vit_b", 4, 147_456), ("vit_b", 8, 294_912), ("vit_l", 4, 393_216), ("vit_h", 4, 655_360)],
)
def test_lora_trains_as_many_numbers_as_the_formula_says(name: str, rank: int, count: int) -> None:
    network = build(name)
    adaptation = adapt(network, TrainConfig(model=name, rank=rank, with_decoder=False))
    assert (
        sum(p.numel() for p in adaptation.parameters())
        == count
        == 4 * rank * VIT_SHAPES[name].width * len(network.image_encoder.blocks)
    )
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert trained == count


@pytest.mark.parametrize(
    ("targets", "count"),
    [
        (("q",), 2 * 4 * 768),
        (("q", "k", "v"), 3 * 2 * 4 * 768),
        (("proj",), 2 * 4 * 768),
        (("mlp",), 2 * 4 * 5 * 768),
    ],
)
def test_targets_are_what_the_config_says(targets: tuple[str, ...], count: int) -> None:
    network = build("vit_b")
    adaptation = adapt(network, TrainConfig(model="vit_b", targets=targets, with_decoder=False))
    assert sum(p.numel() for p in adaptation.parameters()) == 12 * count


def test_the_decoder_trains_beside_lora_and_alone() -> None:
    both = adapt(build("vit_b"), TrainConfig(model="vit_b"))
    alone = adapt(build("vit_b"), TrainConfig(model="vit_b", method="decoder"))
    assert sum(p.numel() for p in both.parameters()) == 147_456 + DECODER_PARAMETERS
    assert sum(p.numel() for p in alone.parameters()) == DECODER_PARAMETERS


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(model="vit_b", targets=("q", "k", "v", "proj", "mlp")),
        TrainConfig(model="vit_b", method="decoder"),
        TrainConfig(model="vit_b", method="full"),
    ],
    ids=lambda c: c.method,
)
def test_an_adaptation_changes_nothing_at_first(config: TrainConfig, small_weights: dict[str, torch.Tensor]) -> None:
    image = torch.randn(1, 3, SMALL.input_size, SMALL.input_size)
    network = copy_of(small_weights)
    before = answer(network, image).detach()
    adaptation = adapt(network, config)
    assert torch.equal(answer(network, image), before)
    result = merged(small_weights, adaptation.tensors())
    assert all(torch.equal(result[name], value) for name, value in small_weights.items())


def test_after_training_k_keeps_every_bit_and_merged_answers_what_training_saw(
    small_weights: dict[str, torch.Tensor],
) -> None:
    network = copy_of(small_weights)
    adaptation = adapt(network, TrainConfig(model="vit_b"))
    one_step(network, adaptation, SMALL.input_size, lr=2e-2)
    result = merged(small_weights, adaptation.tensors())
    width = SMALL.width
    for block in range(2):
        name = f"image_encoder.blocks.{block}.attn.qkv.weight"
        assert torch.equal(result[name][width : 2 * width], small_weights[name][width : 2 * width])
        for rows in (slice(0, width), slice(2 * width, None)):
            assert (result[name][rows] - small_weights[name][rows]).abs().max() > 1e-6
    touched = {name for name, value in result.items() if not torch.equal(value, small_weights[name])}
    attention = {f"image_encoder.blocks.{block}.attn.qkv.weight" for block in range(2)}
    assert {name for name in touched if not name.startswith("mask_decoder.")} == attention
    image = torch.randn(1, 3, SMALL.input_size, SMALL.input_size, generator=torch.Generator().manual_seed(1))
    served = copy_of(result)
    with torch.no_grad():
        trained, plain = (net.image_encoder(image) for net in (network, copy_of(small_weights)))
        # embeddings are of order one
        assert (served.image_encoder(image) - trained).abs().max() < 1e-5
        assert (plain - trained).abs().max() > 1e-3
    for name, value in network.mask_decoder.named_parameters():
        assert torch.equal(result[f"mask_decoder.{name}"], value)


@pytest.mark.parametrize("method", ["lora", "decoder", "full"])
def test_saved_and_loaded_is_the_same_network(method: str, tiny: BaseNetwork) -> None:
    def fresh() -> TinySam:
        return tiny_with({name: value.clone() for name, value in tiny.weights.items()})

    config = TrainConfig(method=method)
    network = fresh()
    adaptation = adapt(network, config)
    one_step(network, adaptation, 256)
    stored = Adapter.from_bytes(Adapter(adaptation.tensors(), where("tiny", tiny.fingerprint.weights)).to_bytes())
    again = fresh()
    adapt(again, config).load(stored.tensors)
    served = tiny_with(merged(tiny.weights, stored.tensors))
    image = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        expected = answer(network, image)
        assert torch.equal(answer(again, image), expected)
        assert (answer(served, image) - expected).abs().max() / expected.abs().max() < 1e-5
        assert not torch.equal(expected, answer(fresh(), image))


def test_a_decoder_adapter_keeps_the_encoder_and_every_embedding(tiny: BaseNetwork) -> None:
    network = tiny_with({name: value.clone() for name, value in tiny.weights.items()})
    adaptation = adapt(network, TrainConfig(method="decoder"))
    one_step(network, adaptation, 256)
    adapter = Adapter(adaptation.tensors(), where("tiny", tiny.fingerprint.weights))
    served, plain = tiny.backbone(adapter), tiny.backbone()
    assert served.encoder_id == plain.encoder_id and served.weights_id != plain.weights_id
    pixels = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    for name, value in plain.encode(pixels[None]).items():
        assert torch.equal(served.encode(pixels[None])[name], value)


def test_an_adapter_of_vit_b_stays_below_25_megabytes() -> None:
    shape = VitShape(768, 12, 12, (2, 5, 8, 11), 32)
    network = build_vit(shape).to_empty(device="cpu")
    for value in network.parameters():
        value.data.zero_()
    adaptation = adapt(network, TrainConfig(model="vit_b"))
    size = len(Adapter(adaptation.tensors(), where("vit_b")).to_bytes())
    assert 4 * (147_456 + DECODER_PARAMETERS) < size < 25e6


def test_merging_lora_gives_a_new_encoder_identity(tiny: BaseNetwork) -> None:
    network = tiny_with({name: value.clone() for name, value in tiny.weights.items()})
    adaptation = adapt(network, TrainConfig(with_decoder=False))
    one_step(network, adaptation, 256)
    result = merged(tiny.weights, adaptation.tensors())
    assert Fingerprint.of(result, ENCODER_PREFIXES, "tiny").encoder != tiny.fingerprint.encoder


def test_a_network_without_fused_attention_is_refused() -> None:
    with pytest.raises(TrainingError, match="one fused qkv projection"):
        encoder_places(build("mobile_sam"), ("q", "v"))
    with pytest.raises(
        TrainingError, match="mobile_sam can be trained with decoder, dense_prompt, hyper, bottleneck, domain_bank only"
    ):
        TrainConfig(model="mobile_sam")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "magic"}, "method must be one of lora, decoder, full, lora_decoder, .*, got 'magic'"),
        ({"targets": ("q", "z")}, "targets must be one of q, k, v, proj, mlp, conv"),
        ({"targets": ()}, "targets must be different ones"),
        ({"targets": ("q", "q")}, "targets must be different ones"),
        ({"rank": 0}, "rank must be from 1 to 256"),
        ({"epochs": 0}, "epochs must be from 1 to 1000"),
        ({"lr": float("nan")}, "rate must be from"),
        ({"lr": -1.0}, "rate must be from"),
        ({"model": "nothing"}, "model must be one of tiny"),
    ],
)
def test_a_config_is_valid_when_constructed(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(TrainingError, match=sentence):
        TrainConfig(**changes)  # type: ignore[arg-type]
