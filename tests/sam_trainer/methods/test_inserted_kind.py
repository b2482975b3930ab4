"""A kind of adapter that inserts modules goes the whole way: trained, stored, promoted, served, refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.kinds.bottleneck import BOTTLENECK, PARTS
from sam_infer.adapters.kinds.low_rank import low_rank_name
from sam_infer.adapters.kinds.registry import KINDS
from sam_infer.adapters.kinds.value import value_name
from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import AdapterError, ModelError
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.models.current import CurrentPredictor
from sam_infer.models.load import BaseNetwork, load_network
from sam_infer.networks.backbone import Backbone, Hints
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.config import METHODS, RATES, TrainConfig
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import read_sources
from sam_trainer.lessons.batches import LessonBatches
from sam_trainer.lessons.lesson import Lesson, lessons_of
from sam_trainer.methods.method import ADAPTATIONS
from sam_trainer.methods.trainable import TrainableTiny, trainable
from sam_trainer.training.fit import Fit, Fitted, Teacher
from sam_trainer.training.progress import Progress
from tests.small_studies import flat_case

pytestmark = pytest.mark.usefixtures("one_thread")

ATTENTION = "image_encoder.blocks.{}.attn"
STACK = np.random.default_rng(0).integers(0, 255, (1, 256, 256, 3), dtype=np.uint8)
HINTS = Hints(np.array([[90.0, 120.0]], np.float32), np.array([1]))


@pytest.fixture(scope="module")
def tiny() -> BaseNetwork:
    return load_network("tiny")


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> list[Lesson]:
    folder = tmp_path_factory.mktemp("studies")
    flat_case(folder, "a", 0)
    return lessons_of(read_sources(folder)[0].cases[0])


def adapter_of(base: BaseNetwork, tensors: dict[str, torch.Tensor]) -> Adapter:
    return Adapter(tensors, Provenance("tiny", base.fingerprint.weights, BOTTLENECK, {}, 0, ("a",), ()))


def random_tensors(place: str, width: int, hidden: int = 8, scale: float = 0.1) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = dict(zip(PARTS, ((hidden, width), (hidden,), (width, hidden), (width,)), strict=True))
    return {
        f"{BOTTLENECK}/{place}/{part}": scale * torch.randn(shape, generator=generator)
        for part, shape in shapes.items()
    }


def answers(backbone: Backbone) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    features = dict(backbone.encode(STACK))
    return features, backbone.decode(features, HINTS).logits


def same(one: Backbone, other: Backbone) -> bool:
    (features, logits), (others, other_logits) = answers(one), answers(other)
    return all(torch.equal(features[name], others[name]) for name in features) and np.array_equal(logits, other_logits)


def fitted(
    base: BaseNetwork, lessons: list[Lesson], folder: Path, method: str = BOTTLENECK
) -> tuple[TrainableTiny, Fitted]:
    """One epoch of the real training."""
    network = trainable(base)
    assert isinstance(network, TrainableTiny)
    config = TrainConfig(
        method=method,
        with_decoder=False,
        epochs=1,
        steps=3,
        images=1,
        objects=2,
        decodes=2,
        precision="float32",
        semantic_images=0,
    )
    batches = LessonBatches(lessons, base.backbone())
    return network, Fit(network, config, Teacher(batches, lambda _: 0.5), folder).run(Progress(None, 1), lambda: False)


def header_of(data: bytes) -> dict[str, object]:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"]["provenance"])


def test_trained_stored_promoted_and_served_it_answers_what_training_saw(
    tiny: BaseNetwork, lessons: list[Lesson], tmp_path: Path
) -> None:
    network, result = fitted(tiny, lessons, tmp_path)
    blocks = [f"image_encoder.blocks.{block}.{layer}" for block in range(6) for layer in ("attn", "mlp")]
    trained = {f"{BOTTLENECK}/{block}/{part}" for block in blocks for part in PARTS}
    assert result.tensors.keys() == trained
    assert all(result.tensors[name].any() for name in trained if "/up." in name)
    own = dict(network.network.state_dict())
    for name, value in tiny.weights.items():  # nothing else trained
        found = own.get(name)
        inside = re.sub(r"\.(attn|mlp)\.", r".\1.layer.", name)
        assert torch.equal(value, own[inside] if found is None else found)
    store = AdapterStore("tiny", tmp_path)
    store.promote(store.put(adapter_of(tiny, result.tensors)), "test")
    served = CurrentPredictor(store, EmbeddingCache(), tiny.backbone).first()
    assert served.note == "" and same(served.backbone, TinyBackbone(network.network))
    assert not same(served.backbone, tiny.backbone())


def test_a_stack_of_slices_is_trained_kept_and_served(
    tiny: BaseNetwork, tmp_path: Path, l_phantom: tuple[Volume, Mask]
) -> None:
    flat_case(tmp_path, "a", 0)
    lessons = lessons_of(read_sources(tmp_path)[0].cases[0], depth=3)
    network, result = fitted(tiny, lessons, tmp_path, "fact3d")
    served = tiny.backbone(adapter_of(tiny, result.tensors))
    stack = np.repeat(STACK, 3, axis=0)
    assert served.depth == 3 and torch.equal(
        served.encode(stack)["stride16"], TinyBackbone(network.network).encode(stack)["stride16"]
    )
    with pytest.raises(ModelError, match="looks at 3 slices"):
        served.encode(STACK)
    click, cache = Prompts(2, np.array([[18, 12, 12]]), np.array([1])), EmbeddingCache()
    answered = Predictor(served, cache).predict(l_phantom[0], click, 12).logits
    assert np.isfinite(answered).all()
    assert np.array_equal(answered, Predictor(served, cache).predict(l_phantom[0], click, 12).logits)


def test_the_served_identity_follows_what_is_changed(tiny: BaseNetwork) -> None:
    plain = tiny.backbone()
    encoder = tiny.backbone(adapter_of(tiny, random_tensors(ATTENTION.format(0), 192)))
    decoder = tiny.backbone(adapter_of(tiny, random_tensors("mask_decoder.context.attn", 128)))
    assert encoder.encoder_id != plain.encoder_id and encoder.weights_id != plain.weights_id
    assert decoder.encoder_id == plain.encoder_id and decoder.weights_id != plain.weights_id
    assert not torch.equal(encoder.encode(STACK)["stride16"], plain.encode(STACK)["stride16"])
    features = plain.encode(STACK)
    for name, values in decoder.encode(STACK).items():
        assert torch.equal(values, features[name])
    assert not np.array_equal(decoder.decode(features, HINTS).logits, plain.decode(features, HINTS).logits)
    other = random_tensors(ATTENTION.format(0), 192, scale=0.2)
    assert tiny.backbone(adapter_of(tiny, other)).encoder_id != encoder.encoder_id


def test_no_cached_embedding_of_the_base_network_is_used(tiny: BaseNetwork, l_phantom: tuple[Volume, Mask]) -> None:
    adapted = tiny.backbone(adapter_of(tiny, random_tensors(ATTENTION.format(5), 192, scale=1.0)))
    click, shared = Prompts(2, np.array([[18, 12, 12]]), np.array([1])), EmbeddingCache()
    before = Predictor(tiny.backbone(), shared).predict(l_phantom[0], click, 12).logits
    after = Predictor(adapted, shared).predict(l_phantom[0], click, 12).logits
    assert np.array_equal(after, Predictor(adapted, EmbeddingCache()).predict(l_phantom[0], click, 12).logits)
    assert not np.array_equal(after, before)


def test_merged_and_inserted_tensors_live_in_one_file(tiny: BaseNetwork) -> None:
    place = ATTENTION.format(0)
    generator = torch.Generator().manual_seed(1)
    merged = {
        low_rank_name(f"{place}.qkv.weight", "q", "a"): torch.randn(4, 192, generator=generator),
        low_rank_name(f"{place}.qkv.weight", "q", "b"): torch.randn(192, 4, generator=generator),
    }
    inserted = random_tensors(place, 192)
    both = adapter_of(tiny, {**inserted, **merged})
    assert both.kinds == ("low_rank", BOTTLENECK)
    back = Adapter.from_bytes(both.to_bytes())
    assert back.kinds == both.kinds and same(tiny.backbone(back), tiny.backbone(both))
    alone = [tiny.backbone(adapter_of(tiny, part)) for part in (merged, inserted)]
    assert not any(same(tiny.backbone(both), one) for one in alone)


def test_only_files_with_new_kinds_have_the_new_format(tiny: BaseNetwork) -> None:
    first = header_of(adapter_of(tiny, {value_name("x"): torch.ones(1)}).to_bytes())
    assert first["format"] == 1 and "kinds" not in first
    both = {value_name("x"): torch.ones(1), **random_tensors(ATTENTION.format(0), 192)}
    second = header_of(adapter_of(tiny, both).to_bytes())
    assert second["format"] == 2 and second["kinds"] == [BOTTLENECK, "value"]
    assert {key: second[key] for key in first if key != "format"} == {
        key: first[key] for key in first if key != "format"
    }


@pytest.mark.parametrize(
    ("place", "width", "sentence"),
    [
        ("image_encoder.blocks.99.attn", 192, "does not fit the network: it has no image_encoder.blocks.99.attn"),
        ("somewhere", 192, "it has no somewhere"),
    ],
)
def test_what_does_not_fit_is_refused(tiny: BaseNetwork, place: str, width: int, sentence: str) -> None:
    with pytest.raises(AdapterError, match=sentence):
        tiny.backbone(adapter_of(tiny, random_tensors(place, width)))
    whole = random_tensors(ATTENTION.format(0), width)
    whole.pop(f"{BOTTLENECK}/{ATTENTION.format(0)}/up.bias")
    with pytest.raises(AdapterError, match="not whole: a bottleneck at"):
        adapter_of(tiny, whole)


def test_a_version_that_lacks_the_kind_refuses_it_by_name(
    tiny: BaseNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = AdapterStore("tiny", tmp_path)
    name = store.put(adapter_of(tiny, random_tensors(ATTENTION.format(0), 192)))
    store.promote(name, "test")
    for place, known in (("sam_infer.adapters.kinds.registry.KINDS", KINDS), ("sam_trainer.config.RATES", RATES)):
        monkeypatch.setattr(place, {name: one for name, one in known.items() if name != BOTTLENECK})
    sentence = "of kind bottleneck, which this version does not know .it knows .*low_rank, .*semantic, .*value.: update"
    with pytest.raises(AdapterError, match=sentence):
        store.get(name)
    predictor = CurrentPredictor(store, EmbeddingCache(), tiny.backbone).first()
    assert "bottleneck" in predictor.note and same(predictor.backbone, tiny.backbone())
    with pytest.raises(AdapterError, match=r"'bottleneck/.*does not know"):
        adapter_of(tiny, random_tensors(ATTENTION.format(0), 192))
    with pytest.raises(TrainingError, match=r"method must be one of lora, decoder, full, .*, got 'bottleneck'"):
        TrainConfig(method=BOTTLENECK)


def test_the_registries_hold_what_their_names_say() -> None:
    assert {prefix: kind.prefix for prefix, kind in KINDS.items()} == {prefix: prefix for prefix in KINDS}
    assert set(ADAPTATIONS) == set(RATES) and tuple(RATES) == METHODS
