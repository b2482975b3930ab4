"""ONNX file: its nodes and its float32 tensors, read from the bytes.

A file is one message of the protobuf format, whose fields carry a number and a length: the few that are wanted are
read, all others skipped. Nothing of the graph is run, and no package is needed for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from sam_infer.errors import ModelError

# Wire types: what follows a field's number.
VARINT, FIXED_64, DELIMITED, FIXED_32 = 0, 1, 2, 5
FIXED_BYTES = {FIXED_64: 8, FIXED_32: 4}

# Field numbers of onnx.proto.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALISER = 1, 5
NODE_INPUT, NODE_NAME, NODE_OP, NODE_ATTRIBUTE = 1, 3, 4, 5
ATTRIBUTE_TENSOR = 5
TENSOR_DIMS, TENSOR_TYPE, TENSOR_NAME, TENSOR_BYTES = 1, 2, 8, 9
FLOAT32_TYPE = 1


@dataclass(frozen=True, eq=False)
class OnnxNode:
    """One operation of a graph."""

    op: str
    name: str  # "/layers.1/blocks.0/attn/qkv/MatMul": exported by torch, it begins with the module's path
    inputs: tuple[str, ...]
    value: torch.Tensor | None  # of a constant, if it is float32


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """Nodes in the order of the file, and the stored tensors by name."""

    nodes: tuple[OnnxNode, ...]
    tensors: dict[str, torch.Tensor]


def read_onnx(content: bytes) -> OnnxFile:
    """The graph of an ONNX file; ModelError where the bytes end early or are something else."""
    nodes: list[OnnxNode] = []
    tensors: dict[str, torch.Tensor] = {}
    try:
        graph = next(value for number, value in _fields(memoryview(content)) if number == MODEL_GRAPH)
        for number, value in _fields(_message(graph)):
            if number == GRAPH_NODE:
                nodes.append(_node(_message(value)))
            elif number == GRAPH_INITIALISER:
                name, tensor = _tensor(_message(value))
                if tensor is not None:
                    tensors[name] = tensor
    except (ValueError, IndexError, RuntimeError, StopIteration) as error:
        raise ModelError("it is no ONNX file, or damaged", "file") from error
    return OnnxFile(tuple(nodes), tensors)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of every field: an int, or the bytes of a text, a tensor or another message."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == DELIMITED:
            length, at = _varint(message, at)
        elif wire in FIXED_BYTES:
            length = FIXED_BYTES[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if at + length > len(message):
            raise ValueError("ends early")
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a number where a message should be")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode()


def _node(message: memoryview) -> OnnxNode:
    op = name = ""
    inputs: list[str] = []
    tensor: torch.Tensor | None = None
    for number, value in _fields(message):
        if number == NODE_INPUT:
            inputs.append(_text(value))
        elif number == NODE_NAME:
            name = _text(value)
        elif number == NODE_OP:
            op = _text(value)
        elif number == NODE_ATTRIBUTE:
            tensors = [
                _tensor(_message(inner))[1] for kind, inner in _fields(_message(value)) if kind == ATTRIBUTE_TENSOR
            ]
            tensor = tensors[0] if tensors else tensor
    return OnnxNode(op, name, tuple(inputs), tensor)


def _tensor(message: memoryview) -> tuple[str, torch.Tensor | None]:
    """Name and values of a stored tensor; no values where it is not float32 in the file's own bytes."""
    name, kind, shape = "", 0, list[int]()
    content: memoryview | None = None
    for number, value in _fields(message):
        if number == TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else _packed(value)
        elif number == TENSOR_TYPE and isinstance(value, int):
            kind = value
        elif number == TENSOR_NAME:
            name = _text(value)
        elif number == TENSOR_BYTES:
            content = _message(value)
    if kind != FLOAT32_TYPE or not content:
        return name, None
    return name, torch.frombuffer(bytearray(content), dtype=torch.float32).reshape(shape)


def _packed(values: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(values):
        number, at = _varint(values, at)
        numbers.append(number)
    return numbers
