"""The U-Net that names labels: from an adapter's file and back, and whole or not at all."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sam_infer.adapters.adapter import FORMAT_WITH_KINDS, Adapter, Provenance
from sam_infer.adapters.kinds.registry import merged
from sam_infer.errors import AdapterError
from sam_infer.networks.naming.label_namer import namer_of
from sam_infer.networks.naming.semantic_head import LOGIT_SIDE, PICTURE_SIDE
from sam_infer.networks.naming.unet import UNet, unet_part

WHERE = Provenance("tiny", "b" * 64, "decoder", {}, 0, ("liver",), (), {"named_why": "the U-Net: it was better"})


@pytest.fixture(scope="module")
def made() -> UNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return UNet(("spleen", "liver")).eval()


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    return torch.rand(3, PICTURE_SIDE, PICTURE_SIDE, generator=torch.Generator().manual_seed(1)) * 255


def test_it_comes_back_from_its_file_with_the_same_answer_and_a_sentence_on_why(
    made: UNet, picture: torch.Tensor
) -> None:
    data = Adapter(made.tensors() | {"value/mask_decoder.x": torch.ones(2)}, WHERE).to_bytes()
    header = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["provenance"])
    assert header["format"] == FORMAT_WITH_KINDS and "unet" in header["kinds"]  # an older version refuses it by name
    adapter = Adapter.from_bytes(data)
    found = namer_of(adapter.tensors)
    assert isinstance(found, UNet) and found.labels == ("liver", "spleen") and not found.sees_features
    assert adapter.provenance.named_why == "the U-Net: it was better"
    expected = made.answer(picture, {})
    assert expected.shape == (2, LOGIT_SIDE, LOGIT_SIDE) and expected.std() > 0.1
    np.testing.assert_array_equal(found.answer(picture, {}), expected)
    assert namer_of({"value/mask_decoder.x": torch.ones(1)}) is None


def test_it_leaves_the_network_alone(made: UNet) -> None:
    weights = {"mask_decoder.x": torch.ones(3)}
    assert merged(weights, made.tensors()) == weights
    assert unet_part({**made.tensors(), "value/x": torch.ones(1)}).keys() == made.tensors().keys()


def test_one_that_is_not_whole_is_a_sentence(made: UNet) -> None:
    tensors = made.tensors()
    for damaged in (
        {name: value for name, value in tensors.items() if "bottom" not in name},
        {name: value for name, value in tensors.items() if not name.startswith("unet/label/")},
        {**tensors, "unet/label/liver": torch.ones(7)},
    ):
        with pytest.raises(AdapterError, match=r"U-Net does not fit this version.*train again"):
            UNet.of(damaged)
    with pytest.raises(AdapterError, match=r"'unet/more/x', which this version does not know"):
        Adapter({**tensors, "unet/more/x": torch.ones(1)}, WHERE)
