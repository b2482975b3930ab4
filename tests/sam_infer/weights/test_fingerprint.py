"""The law of fingerprints: equal tensors, equal ids; another encoder, another encoder id, and only then."""

from __future__ import annotations

import torch

from sam_infer.weights.fingerprint import Fingerprint

TENSORS = {"image_encoder.a": torch.arange(6.0).view(2, 3), "decoder.b": torch.ones(4)}


def fingerprint(changes: dict[str, torch.Tensor] | None = None, preprocessing: str = "sam") -> Fingerprint:
    return Fingerprint.of({**TENSORS, **(changes or {})}, ("image_encoder.",), preprocessing)


def test_order_and_memory_layout_do_not_matter() -> None:
    turned = {
        "decoder.b": torch.ones(8)[::2],
        "image_encoder.a": TENSORS["image_encoder.a"].t().contiguous().t(),
    }
    assert Fingerprint.of(turned, ("image_encoder.",), "sam") == fingerprint()


def test_a_decoder_change_leaves_the_encoder_alone() -> None:
    other = fingerprint({"decoder.b": torch.zeros(4)})
    assert other.weights != fingerprint().weights
    assert other.encoder == fingerprint().encoder


def test_an_encoder_change_changes_both() -> None:
    values = TENSORS["image_encoder.a"].clone()
    values[1, 2] = torch.nextafter(values[1, 2], torch.tensor(9.0))
    other = fingerprint({"image_encoder.a": values})
    assert other.weights != fingerprint().weights
    assert other.encoder != fingerprint().encoder


def test_preprocessing_is_part_of_the_encoder() -> None:
    other = fingerprint(preprocessing="medsam")
    assert other.weights == fingerprint().weights
    assert other.encoder != fingerprint().encoder


def test_shape_name_and_type_count() -> None:
    ids = {
        fingerprint().weights,
        fingerprint({"image_encoder.a": TENSORS["image_encoder.a"].view(3, 2)}).weights,
        fingerprint({"image_encoder.a": TENSORS["image_encoder.a"].double()}).weights,
        Fingerprint.of({"image_encoder.c": TENSORS["image_encoder.a"]}, ("image_encoder.",), "sam").weights,
    }
    assert len(ids) == 4
