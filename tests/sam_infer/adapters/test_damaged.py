"""Adapters that are not whole or not of this network: refused with a sentence, never a fault of ours.

A file may be written by a version with other names, or made by hand, and its hash be right. What is left is what its
kind checks when it is read, and what fits when it is put into a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import Tensor

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.kinds.kind import Form
from sam_infer.adapters.kinds.low_rank import low_rank_name
from sam_infer.adapters.kinds.registry import INSERTING, merged
from sam_infer.errors import AdapterError
from tests.sam_trainer.methods.small_networks import CLICK, Weights, served, small_weights, stack, trainable_of

pytestmark = pytest.mark.usefixtures("one_thread")

FORM = Form(rank=4, width=4, slices=3, decoder=True, tags=("a", "b"))
WHERE = Provenance("tiny", "b", "a kind", {}, 0, (), ())

# What somebody might have done to a file, by what is said of it here.
Damaged = Iterator[tuple[str, Mapping[str, Tensor]]]


@pytest.fixture(scope="module")
def weights() -> Weights:
    return {"vit": small_weights()["vit"]}


def whole(kind: str, weights: Weights) -> dict[str, Tensor]:
    """Tensors as a training begins with them."""
    network = trainable_of(weights, "vit").network
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {f"{kind}/{name}": value for name, value in INSERTING[kind].begin(network, FORM).items()}


def one_of_each(tensors: Mapping[str, Tensor]) -> list[str]:
    """Names that differ by more than the number of a block or the name of a tag."""
    alike = {re.sub(r"\d+|tag=\w", "N", name): name for name in tensors}
    return list(alike.values())


def longer(value: Tensor, axis: int) -> Tensor:
    return torch.cat([value, value.narrow(axis, 0, 1)], axis)


def damages(kind: str, tensors: Mapping[str, Tensor]) -> Damaged:
    for name in one_of_each(tensors):
        value = tensors[name]
        yield f"without {name}", {key: one for key, one in tensors.items() if key != name}
        yield f"a scalar as {name}", {**tensors, name: torch.tensor(3.0)}
        yield f"one more axis at {name}", {**tensors, name: value[None]}
        for axis in range(value.ndim):
            yield f"axis {axis} of {name} longer", {**tensors, name: longer(value, axis)}
            yield f"no axis {axis} in {name}", {**tensors, name: value.narrow(axis, 0, 0).clone()}
        yield f"{name} elsewhere", {**tensors, name.replace("/", "/elsewhere.", 1): value}
        yield f"{name} and more", {**tensors, f"{name}.more": value.clone()}
        if name.endswith("/slices"):
            for count in (-1, 0, 2, 10**6):
                yield f"{count} slices", {**tensors, name: torch.tensor(count)}
            yield "slices that are no number", {**tensors, name: torch.tensor([3, 3])}
    for other in INSERTING:
        if other != kind:
            theirs = {name.replace(f"{kind}/", f"{other}/", 1): value for name, value in tensors.items()}
            yield f"with the names of {other}", theirs


def outcome(weights: Weights, tensors: Mapping[str, Tensor]) -> str:
    """A sentence of refusal, `answers`, or what nobody foresaw."""
    try:
        read = Adapter.from_bytes(Adapter({k: v.contiguous() for k, v in tensors.items()}, WHERE).to_bytes())
        backbone = served(weights, "vit", read.tensors, "a")
        logits = backbone.decode(backbone.encode(stack(backbone.depth)), CLICK).logits
    except AdapterError as error:
        assert str(error).startswith("the adapter"), error
        return str(error)
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return f"FAULT {error!r}"
    return "answers" if torch.isfinite(torch.as_tensor(logits)).all() else "FAULT not finite"


@pytest.mark.parametrize("kind", list(INSERTING))
def test_what_is_not_whole_is_refused_with_a_sentence(weights: Weights, kind: str) -> None:
    tensors = whole(kind, weights)
    assert outcome(weights, tensors) == "answers"
    found = {what: outcome(weights, given) for what, given in damages(kind, tensors)}
    faults = {what: said for what, said in found.items() if said.startswith("FAULT")}
    assert not faults
    assert [what for what, said in found.items() if said == "answers" and not may_answer(kind, what)] == []


def may_answer(kind: str, what: str) -> bool:
    """A kind's widths are in its shapes: another width is another adapter, where all that belongs to it agrees."""
    return what.startswith("axis") or (
        what.startswith("without") and kind in ("domain_bank", "cine") and "tag=" in what
    )


@pytest.mark.parametrize("method", ["low_rank", "value"])
def test_what_is_merged_must_fit_too(weights: Weights, method: str) -> None:
    name, base = "image_encoder.blocks.0.attn.qkv.weight", weights["vit"]
    width = base[name].shape[1]
    wrong: list[dict[str, Tensor]]
    if method == "value":
        wrong = [
            {f"value/{name}": torch.zeros(3)},
            {f"value/{name}x": base[name]},
            {f"value/{name}": torch.tensor(1.0)},
        ]
    else:
        a, b = (low_rank_name(name, "q", factor) for factor in ("a", "b"))
        good = {a: torch.zeros(2, width), b: torch.zeros(width, 2)}
        assert merged(base, Adapter(good, WHERE).tensors)[name].equal(base[name])
        wrong = [
            {a: good[a]},
            {**good, b: torch.zeros(width, 3)},
            {**good, a: torch.zeros(2)},
            {**good, a: torch.zeros(2, width, 1)},
            {**good, b: torch.tensor(1.0)},
        ]
    for tensors in wrong:
        with pytest.raises(AdapterError, match=r"^the adapter"):
            merged(base, Adapter(tensors, WHERE).tensors)
