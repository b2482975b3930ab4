"""Adapter files: the same content gives the same bytes, a changed byte another id, and only what is meant changes."""

from dataclasses import replace

import pytest
import torch

from sam_infer.adapters.adapter import Adapter, Provenance, TaughtCase, content_id
from sam_infer.adapters.kinds.low_rank import low_rank_name
from sam_infer.adapters.kinds.registry import merged
from sam_infer.adapters.kinds.value import value_name
from sam_infer.errors import AdapterError

QKV = "image_encoder.blocks.0.attn.qkv.weight"
WIDTH, RANK = 8, 2


def provenance(**changes: object) -> Provenance:
    made = Provenance(
        model="tiny",
        base="b" * 64,
        method="lora",
        settings={"rank": RANK, "targets": ["q", "v"]},
        seed=3,
        labels=("liver",),
        cases=(TaughtCase("case1", "c" * 64, "train"), TaughtCase("case2", "d" * 64, "held_out")),
        metrics={"validation_dice": 0.9},
        versions={"torch": "2"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def tensors(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        low_rank_name(QKV, part, factor): torch.randn(shape, generator=generator)
        for part in ("q", "v")
        for factor, shape in (("a", (RANK, WIDTH)), ("b", (WIDTH, RANK)))
    } | {value_name("mask_decoder.bias"): torch.arange(3.0)}


def weights() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    return {
        QKV: torch.randn(3 * WIDTH, WIDTH, generator=generator),
        "mask_decoder.bias": torch.zeros(3),
        "neck": torch.ones(2),
    }


def test_a_file_holds_tensors_and_where_they_come_from() -> None:
    back = Adapter.from_bytes(Adapter(tensors(), provenance()).to_bytes())
    assert back.provenance == provenance(settings={"rank": RANK, "targets": ["q", "v"]})
    assert back.tensors.keys() == tensors().keys()
    assert all(torch.equal(back.tensors[name], value) for name, value in tensors().items())


def test_bytes_do_not_depend_on_the_order_of_anything() -> None:
    first = Adapter(tensors(), provenance()).to_bytes()
    shuffled = dict(reversed(tensors().items()))
    second = Adapter(shuffled, provenance(settings={"targets": ["q", "v"], "rank": RANK})).to_bytes()
    assert first == second
    assert content_id(first) == content_id(second) and len(content_id(first)) == 64
    assert content_id(Adapter(tensors(1), provenance()).to_bytes()) != content_id(first)
    assert content_id(Adapter(tensors(), provenance(seed=4)).to_bytes()) != content_id(first)


def test_a_file_of_the_first_kinds_has_the_id_that_it_had_before_there_were_others() -> None:
    assert (
        content_id(Adapter(tensors(), provenance()).to_bytes())
        == "fea9672e484053cc48258bd499e10382528118eb295bec91723efc89b82b5a72"
    )


def test_merging_adds_to_the_rows_that_are_meant_and_to_no_others() -> None:
    base, given = weights(), tensors()
    before = {name: value.clone() for name, value in base.items()}
    result = merged(base, Adapter(given, provenance()).tensors)
    for part, start in (("q", 0), ("v", 2 * WIDTH)):
        change = given[low_rank_name(QKV, part, "b")] @ given[low_rank_name(QKV, part, "a")]
        rows = slice(start, start + WIDTH)
        assert torch.equal(result[QKV][rows], before[QKV][rows] + change)
        assert change.abs().max() > 0.1
    assert torch.equal(result[QKV][WIDTH : 2 * WIDTH], before[QKV][WIDTH : 2 * WIDTH])
    assert torch.equal(result["mask_decoder.bias"], torch.arange(3.0))
    assert result["neck"] is base["neck"]
    assert all(torch.equal(base[name], value) for name, value in before.items())
    again = merged(base, Adapter(given, provenance()).tensors)
    assert all(torch.equal(again[name], value) for name, value in result.items())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (value_name("no.such.parameter"), torch.zeros(3)),
        (value_name("mask_decoder.bias"), torch.zeros(4)),
        (low_rank_name("no.such", "q", "a"), torch.zeros(RANK, WIDTH)),
        (low_rank_name(QKV, "q", "a"), torch.zeros(RANK, WIDTH + 1)),
        (low_rank_name(QKV, "q", "b"), torch.zeros(WIDTH + 1, RANK)),
        (low_rank_name(QKV, "z", "a"), torch.zeros(RANK, WIDTH)),
    ],
)
def test_what_does_not_fit_is_refused(name: str, value: torch.Tensor) -> None:
    with pytest.raises(AdapterError):
        merged(weights(), Adapter({**tensors(), name: value}, provenance()).tensors)


def test_an_adapter_of_another_base_or_model_is_refused_with_a_sentence() -> None:
    adapter = Adapter(tensors(), provenance())
    adapter.require_base("tiny", "b" * 64)
    with pytest.raises(AdapterError, match=r"trained on other weights of tiny .*train it again"):
        adapter.require_base("tiny", "a" * 64)
    with pytest.raises(AdapterError, match="trained for tiny, not for vit_b"):
        adapter.require_base("vit_b", "b" * 64)


@pytest.mark.parametrize("cut", [0, 4, 40, -1])
def test_a_truncated_file_is_refused(cut: int) -> None:
    with pytest.raises(AdapterError, match="truncated or damaged"):
        Adapter.from_bytes(Adapter(tensors(), provenance()).to_bytes()[:cut])


def test_a_file_without_provenance_or_of_a_later_format_is_refused() -> None:
    from safetensors.torch import save

    with pytest.raises(AdapterError, match="does not say where it comes from"):
        Adapter.from_bytes(save(tensors()))
    text = provenance().text(("value",)).replace('"format": 1', '"format": 3')
    with pytest.raises(AdapterError, match="format 3, this version reads 1 and 2: update"):
        Adapter.from_bytes(save(tensors(), metadata={"provenance": text}))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "holds no tensors"),
        ({"other/thing": torch.zeros(1)}, "does not know .it knows bottleneck, .*value.: update"),
        ({"value/": torch.zeros(1)}, "does not know"),
        ({"semantic/other": torch.zeros(1)}, "does not know"),
        ({low_rank_name(QKV, "q", "a"): torch.zeros(RANK, WIDTH)}, "stands alone"),
        ({value_name("x"): torch.tensor([1.0, torch.nan])}, "not finite"),
    ],
)
def test_an_adapter_is_valid_when_constructed(given: dict[str, torch.Tensor], sentence: str) -> None:
    with pytest.raises(AdapterError, match=sentence):
        Adapter(given, provenance())
