"""ONNX files: what is stored comes out as it went in; everything else ends in a sentence."""

from __future__ import annotations

import pytest
import torch

from sam_infer.errors import ModelError
from sam_infer.weights.onnx_file import read_onnx
from tests.sam_infer.weights.exporter import Export, field, node, tensor, varint


def small() -> Export:
    export = Export()
    export.keep("layer.weight", torch.arange(6.0).reshape(2, 3))
    export.hide("MatMul", "/layer/MatMul", torch.full((1, 200), 0.5))
    export.constant("/layer/attn/Constant", torch.tensor([1.5]))
    return export


def test_tensors_and_nodes_come_out_as_they_went_in() -> None:
    found = read_onnx(small().content())
    assert torch.equal(found.tensors["layer.weight"], torch.arange(6.0).reshape(2, 3))
    assert found.tensors["onnx::MatMul_0"].shape == (1, 200)
    assert [(one.op, one.name, one.inputs) for one in found.nodes] == [
        ("MatMul", "/layer/MatMul", ("before", "onnx::MatMul_0")),
        ("Constant", "/layer/attn/Constant", ()),
    ]
    assert found.nodes[1].value is not None and found.nodes[1].value.item() == 1.5


def test_sizes_may_be_packed_and_unknown_fields_are_skipped() -> None:
    packed = field(1, varint(2) + varint(1)) + field(2, 1) + field(8, "a") + field(9, torch.ones(2).numpy().tobytes())
    odd = varint(99 << 3 | 5) + b"four" + varint(98 << 3 | 1) + b"eight..."
    assert read_onnx(field(7, field(5, packed) + odd)).tensors["a"].shape == (2, 1)


def test_other_numbers_than_float32_are_left_out() -> None:
    whole = tensor("a", torch.ones(3, dtype=torch.int64), kind=7)
    found = read_onnx(field(7, field(5, whole) + field(1, node("Shape", "/Shape"))))
    assert found.tensors == {} and found.nodes[0].value is None


@pytest.mark.parametrize("cut", [1, 3, 20, 60])
def test_a_file_that_ends_early_is_refused(cut: int) -> None:
    with pytest.raises(ModelError, match="no ONNX file, or damaged"):
        read_onnx(small().content()[:-cut])


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"\xff" * 40, field(7, 5), field(7, field(5, field(9, b"abc")) + b"\x0b")]
)
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="no ONNX file"):
        read_onnx(content)
