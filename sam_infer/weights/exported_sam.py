"""Exported SAM: the named weights of a SAM with MobileSAM's encoder, out of the two ONNX files it was exported to.

An export keeps what it need not touch under its own name. The rest is found by the module's path, with which the
names of nodes begin: matrices are stored transposed, layer normalisation over channels as a product and a sum, biases
of attention spread over every pair of tokens, and batch normalisation is multiplied into the convolution before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch

from sam_infer.weights.onnx_file import OnnxFile, OnnxNode

# Batch normalisation that changes nothing: torch adds this much to the variance before it takes the root.
BATCH_NORM_EPS = 1e-5

# The export leaves out what no embedding depends on: the classifier of the encoder's first training.
CLASSIFIER = {
    "image_encoder.norm_head.weight": (320,),
    "image_encoder.norm_head.bias": (320,),
    "image_encoder.head.weight": (1000, 320),
    "image_encoder.head.bias": (1000,),
}

# What SAM itself calls by no module: its first learnt token foretells the quality of the masks, the others are masks.
NO_MASK = "prompt_encoder.no_mask_embed.weight"
IOU_TOKEN, MASK_TOKENS = "mask_decoder.iou_token.weight", "mask_decoder.mask_tokens.weight"

Named = Iterator[tuple[str, torch.Tensor]]


def sam_tensors(encoder: OnnxFile, decoder: OnnxFile) -> dict[str, torch.Tensor]:
    """Both files' weights under the names of the published weight file, in memory of their own."""
    tensors = {f"image_encoder.{name}": tensor for name, tensor in _kept(encoder.tensors)}
    tensors |= {name.removeprefix("model."): tensor for name, tensor in _kept(decoder.tensors)}
    for graph, prefix in ((encoder, _in_encoder), (decoder, _in_decoder)):
        for node in graph.nodes:
            tensors |= _found(node, graph.tensors, prefix)
    tensors |= {name: torch.zeros(shape) for name, shape in CLASSIFIER.items()}
    return {name: tensor.contiguous().clone() for name, tensor in tensors.items()}


def _kept(tensors: Mapping[str, torch.Tensor]) -> Named:
    """Tensors that still have their own name, not one that the export made up."""
    return ((name, tensor) for name, tensor in tensors.items() if not name.startswith("onnx::"))


def _in_encoder(path: str) -> str:
    return f"image_encoder.{path}"


def _in_decoder(path: str) -> str:
    return f"prompt_encoder.{path}" if path.startswith("mask_downscaling") else f"mask_decoder.{path}"


def _found(node: OnnxNode, stored: Mapping[str, torch.Tensor], full: Callable[[str], str]) -> dict[str, torch.Tensor]:
    """The weights that an operation holds under made-up names."""
    path = module_path(node.name)
    if node.value is not None:
        is_bias = path.endswith("attn") and node.value.ndim == 3
        # Row 0: the first token with each of the others, which is every distance once.
        return {full(f"{path}.attention_biases"): node.value[:, 0]} if is_bias else {}
    values = [stored[name] for name in node.inputs if name.startswith("onnx::") and name in stored]
    if not values:
        return {}
    if not path:
        return _of_no_module(node.op, values[0])
    if node.op == "Conv":
        return _unfolded(full(path.removesuffix(".c")), *values)
    if node.op == "MatMul":
        return {full(f"{path}.weight"): values[0].T}
    part = {"Mul": "weight", "Add": "bias"}[node.op]
    return {full(f"{path}.{part}"): values[0].flatten()}


def _of_no_module(op: str, value: torch.Tensor) -> dict[str, torch.Tensor]:
    if op == "Expand":
        return {IOU_TOKEN: value[0, :1], MASK_TOKENS: value[0, 1:]}
    return {NO_MASK: value.reshape(1, -1)}


def _unfolded(path: str, weight: torch.Tensor, bias: torch.Tensor) -> dict[str, torch.Tensor]:
    """A convolution with a bias as one without, and a batch normalisation that only adds it."""
    return {
        f"{path}.c.weight": weight,
        f"{path}.bn.weight": torch.ones_like(bias),
        f"{path}.bn.bias": bias,
        f"{path}.bn.running_mean": torch.zeros_like(bias),
        f"{path}.bn.running_var": torch.full_like(bias, 1 - BATCH_NORM_EPS),
        f"{path}.bn.num_batches_tracked": torch.zeros((), dtype=torch.int64),
    }


def module_path(node: str) -> str:
    """The module's name in the weight file: "/neck/neck.1/Mul" is of neck.1, "/Mul_9" of none."""
    parts: list[str] = []
    for part in node.split("/")[1:-1]:
        if parts and part.startswith(f"{parts[-1]}."):
            parts.pop()  # an export names a sequence before each of its members
        parts.append(part)
    return ".".join(parts)
