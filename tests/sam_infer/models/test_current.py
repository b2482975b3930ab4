"""A running server and the pointer: the next request sees a promotion, a rollback restores every bit."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.ids import ADAPTER_FILE
from sam_infer.adapters.kinds.cine import CINE
from sam_infer.adapters.kinds.domain_bank import DOMAIN_BANK
from sam_infer.adapters.kinds.kind import Form
from sam_infer.adapters.kinds.low_rank import low_rank_name
from sam_infer.adapters.kinds.registry import INSERTING
from sam_infer.adapters.store import AdapterStore
from sam_infer.errors import AdapterError
from sam_infer.imaging.volume import Mask, Tags, Volume
from sam_infer.models.current import CurrentPredictor, adapted, ranker_file, with_adapter
from sam_infer.models.load import BaseNetwork, load_network, tiny_with
from sam_infer.networks.tiny.backbone import TinyBackbone
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.serving.server_state import Serving
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.predictor import NO_ADAPTER, Options, Predictor
from sam_infer.weights.prompting import Ranker

QKV = "image_encoder.blocks.{}.attn.qkv.weight"


@pytest.fixture(scope="module")
def base() -> BaseNetwork:
    return load_network("tiny")


def adapter(base: BaseNetwork, seed: int = 0, weights_id: str | None = None) -> Adapter:
    """A low-rank change of every block, large enough to be seen."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for block in range(6):
        for part in ("q", "v"):
            tensors[low_rank_name(QKV.format(block), part, "a")] = torch.randn(4, 192, generator=generator)
            tensors[low_rank_name(QKV.format(block), part, "b")] = torch.randn(192, 4, generator=generator) * 3
    where = Provenance("tiny", weights_id or base.fingerprint.weights, "lora", {}, seed, (), ())
    return Adapter(tensors, where)


@pytest.fixture
def store(tmp_path: Path) -> AdapterStore:
    return AdapterStore("tiny", tmp_path)


@pytest.fixture
def promoted(store: AdapterStore, base: BaseNetwork) -> CurrentPredictor:
    return CurrentPredictor(store, EmbeddingCache(), base.backbone)


def answer(predictor: Predictor, phantom: tuple[Volume, Mask]) -> np.ndarray:
    volume, _ = phantom
    return predictor.predict(volume, Prompts(2, np.array([[18, 12, 12]]), np.array([1])), 12).logits


def test_a_promotion_is_seen_by_the_next_request_and_a_rollback_restores_every_bit(
    store: AdapterStore, promoted: CurrentPredictor, base: BaseNetwork, l_phantom: tuple[Volume, Mask]
) -> None:
    serving = Serving(promoted.first(), follow=promoted.follow)
    try:
        plain = serving.predictor
        assert plain.adapter == NO_ADAPTER and serving.predictor is plain
        before = answer(plain, l_phantom)
        name = store.put(adapter(base))
        assert serving.predictor is plain
        store.promote(name, "test")
        with_adapter = serving.predictor
        assert with_adapter.adapter == name and serving.predictor is with_adapter
        assert with_adapter.backbone.encoder_id != plain.backbone.encoder_id
        assert np.abs(answer(with_adapter, l_phantom) - before).max() > 0.01
        store.rollback("test")
        again = serving.predictor
        assert again.adapter == NO_ADAPTER
        assert np.array_equal(answer(again, l_phantom), before)
    finally:
        serving.close()


def test_an_adapter_that_cannot_be_used_does_not_stop_readers(
    store: AdapterStore, promoted: CurrentPredictor, base: BaseNetwork, l_phantom: tuple[Volume, Mask]
) -> None:
    plain = promoted.first()
    foreign = store.put(adapter(base, 1, weights_id="f" * 64))
    store.promote(foreign, "by mistake")
    other = promoted.follow(plain)
    assert other.adapter == NO_ADAPTER and "other weights of tiny" in other.note
    assert np.array_equal(answer(other, l_phantom), answer(plain, l_phantom))
    good = store.put(adapter(base, 2))
    store.promote(good, "better")
    assert promoted.follow(other).adapter == good
    (store.folder / good / ADAPTER_FILE).write_bytes(b"nothing")
    store.promote(foreign, "again")
    with pytest.raises(AdapterError, match="damaged"):
        store.rollback("to a damaged one")


def test_an_adapter_of_another_base_is_refused_where_it_was_asked_for_by_name(base: BaseNetwork) -> None:
    with pytest.raises(AdapterError, match="trained on other weights"):
        base.backbone(adapter(base, weights_id="f" * 64))


def test_a_network_is_the_same_with_and_without_the_detour_over_its_weights(base: BaseNetwork) -> None:
    from sam_infer.networks.tiny.backbone import TinyBackbone

    assert base.backbone().weights_id == TinyBackbone.embedded().weights_id == base.fingerprint.weights
    assert base.backbone().encoder_id == base.fingerprint.encoder


def test_a_ranker_that_was_calibrated_on_accepted_labels_serves(store: AdapterStore, base: BaseNetwork) -> None:
    ranker = Ranker({"score": 1.0}, cases=6)
    ranker.write(ranker_file(store, NO_ADAPTER))
    assert CurrentPredictor(store, EmbeddingCache(), base.backbone).first().ranker == ranker
    name = store.put(adapter(base))
    assert adapted(store, name, EmbeddingCache(), base.backbone).ranker is None


@pytest.mark.parametrize("kind", [DOMAIN_BANK, CINE])
def test_an_adapter_with_parts_by_tag_answers_by_one_of_them(
    base: BaseNetwork, l_phantom: tuple[Volume, Mask], kind: str
) -> None:
    """What is strange gets what was learned of all images, bit for bit; published weights are in memory once."""
    generator = torch.Generator().manual_seed(0)
    begun = INSERTING[kind].begin(tiny_with(base.weights), Form(slices=1, tags=("one", "two")))
    tensors = {
        f"{kind}/{name}": value + 0.3 * torch.randn(value.shape, generator=generator) if value.numel() > 1 else value
        for name, value in begun.items()
    }
    where, cache = Provenance("tiny", base.fingerprint.weights, kind, {}, 0, (), ()), EmbeddingCache()
    untagged = {name: value for name, value in tensors.items() if "tag=" not in name}
    alone = with_adapter(Adapter(untagged, where), EmbeddingCache(), base.backbone)
    serves = with_adapter(Adapter(tensors, where), cache, base.backbone)
    one, two, strange = (serves.about(partial(Tags, word, word)) for word in ("one", "two", "three"))
    assert alone.by_tag is None and (one.tag, two.tag, strange.tag) == ("one", "two", "")
    assert "'three'" in strange.note
    assert strange.backbone.encoder_id == alone.backbone.encoder_id
    click, whole = Prompts(2, np.array([[18, 12, 12]]), np.array([1])), Options(zoom=None)
    found = [own.predict(l_phantom[0], click, 12, whole).logits for own in (one, two, strange)]
    assert np.array_equal(found[2], alone.predict(l_phantom[0], click, 12, whole).logits)
    assert not any(np.array_equal(a, b) for a, b in combinations(found, 2))
    encoders = {predictor.backbone.encoder_id for predictor in (one, two, strange)}
    assert len(encoders) == (3 if kind == DOMAIN_BANK else 1)  # a view changes no embedding
    assert cache.stats.encodes == len(encoders)
    plain = cast(TinyBackbone, alone.backbone)._model
    published = {value.data_ptr() for value in (*base.weights.values(), *plain.parameters())}
    for predictor in (one, two):
        model = cast(TinyBackbone, predictor.backbone)._model
        own = [value for value in model.parameters() if value.data_ptr() not in published]
        assert sum(value.numel() for value in own) <= sum(value.numel() for value in tensors.values())
