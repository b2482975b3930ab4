"""The prompt-free head: from an adapter's tensors and back, for every kind of embedding."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sam_infer.adapters.adapter import Adapter, Provenance
from sam_infer.adapters.kinds.registry import merged
from sam_infer.errors import AdapterError
from sam_infer.networks.naming.semantic_head import LOGIT_SIDE, PICTURE_SIDE, SemanticHead, picture_of, taps_of

TINY = {
    "stride4": torch.zeros(1, 32, 64, 64),
    "stride8": torch.zeros(1, 64, 32, 32),
    "stride16": torch.zeros(1, 128, 16, 16),
}
WHERE = Provenance("tiny", "b" * 64, "lora", {}, 0, ("liver",), ())


def head(labels: tuple[str, ...] = ("spleen", "liver"), features: dict[str, torch.Tensor] = TINY) -> SemanticHead:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return SemanticHead(labels, taps_of(features)).eval()


def drawn(features: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    picture = torch.rand(3, PICTURE_SIDE, PICTURE_SIDE, generator=generator) * 255
    return picture, {name: torch.randn(maps.shape, generator=generator) for name, maps in features.items()}


def test_every_map_joins_at_its_own_resolution_and_the_coarsest_at_the_end() -> None:
    assert taps_of(TINY) == {"stride4": [(1, 32)], "stride8": [(2, 64)], "stride16": [(3, 128)]}
    assert taps_of({"embedding": torch.zeros(1, 256, 64, 64)}) == {"embedding": [(1, 256), (3, 256)]}


@pytest.mark.parametrize("features", [TINY, {"embedding": torch.zeros(1, 256, 64, 64)}], ids=["tiny", "sam"])
def test_a_head_comes_back_from_its_file_with_the_same_answer(features: dict[str, torch.Tensor]) -> None:
    made, (picture, maps) = head(features=features), drawn(features)
    adapter = Adapter.from_bytes(Adapter(made.tensors(), WHERE).to_bytes())
    found = SemanticHead.of(adapter.tensors)
    assert found is not None and found.labels == ("liver", "spleen")
    expected = made.answer(picture, maps)
    assert expected.shape == (2, LOGIT_SIDE, LOGIT_SIDE) and expected.std() > 0.1
    np.testing.assert_array_equal(found.answer(picture, maps), expected)


def test_the_answer_depends_on_the_picture_and_on_every_map() -> None:
    made, (picture, maps) = head(), drawn(TINY)
    before = made.answer(picture, maps)
    assert not np.array_equal(made.answer(picture.flip(1), maps), before)
    for name in maps:
        assert not np.array_equal(made.answer(picture, {**maps, name: maps[name] + 1}), before), name


def test_a_label_is_a_query_of_its_own() -> None:
    """Without one label the others' queries are the same, and a file's labels are in alphabetical order."""
    tensors = head().tensors()
    del tensors["semantic/label/spleen"]
    alone = SemanticHead.of(tensors)
    assert alone is not None and alone.labels == ("liver",)
    picture, maps = drawn(TINY)
    np.testing.assert_allclose(alone.answer(picture, maps)[0], head().answer(picture, maps)[0], atol=1e-4)


def test_a_head_changes_nothing_in_the_network() -> None:
    weights = {"mask_decoder.x": torch.ones(3)}
    result = merged(weights, head().tensors())
    assert result.keys() == weights.keys() and result["mask_decoder.x"] is weights["mask_decoder.x"]


def test_an_adapter_without_a_head_has_none_and_a_damaged_head_is_a_sentence() -> None:
    assert SemanticHead.of({"value/mask_decoder.x": torch.ones(1)}) is None
    tensors = head().tensors()
    for damaged in (
        {name: value for name, value in tensors.items() if "up4" not in name},
        {name: value for name, value in tensors.items() if not name.startswith("semantic/label/")},
        {**tensors, "semantic/label/liver": torch.ones(7)},
    ):
        with pytest.raises(AdapterError, match=r"semantic head does not fit this version.*train again"):
            SemanticHead.of(damaged)


@pytest.mark.parametrize("side", [256, 1024])
def test_a_picture_is_padded_at_the_end_and_then_resized(side: int) -> None:
    pixels = np.full((side, side // 2, 3), 200, np.uint8)
    picture = picture_of(pixels, side)
    assert picture.shape == (3, PICTURE_SIDE, PICTURE_SIDE)
    assert torch.all(picture[:, :, :127].round() == 200) and torch.all(picture[:, :, 129:].round() == 0)
