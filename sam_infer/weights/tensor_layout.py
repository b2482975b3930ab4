"""Tensor layout of a weight file (state dict): the name, shape and number type of every tensor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import torch

# How many names a message lists before it only counts.
NAMES_SHOWN = 3


@dataclass(frozen=True)
class TensorSpec:
    """Shape and number type of one tensor."""

    dtype: str  # as torch names it, e.g. "float32"
    shape: tuple[int, ...]

    @classmethod
    def of(cls, tensor: torch.Tensor) -> TensorSpec:
        """The spec of a tensor; its values are not read."""
        return cls(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape))

    def accepts(self, other: TensorSpec) -> bool:
        """Whether a tensor like `other` can take this place: floating types convert into each other."""
        return self.shape == other.shape and self._is_float == other._is_float

    @property
    def torch_dtype(self) -> torch.dtype:
        """The number type as an object."""
        dtype: torch.dtype = getattr(torch, self.dtype)
        return dtype

    @property
    def _is_float(self) -> bool:
        return self.torch_dtype.is_floating_point


Layout = Mapping[str, TensorSpec]


@dataclass(frozen=True)
class Differences:
    """How a file departs from a layout; each entry is a name, for `reshaped` with both shapes."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    reshaped: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.missing) + len(self.unexpected) + len(self.reshaped)

    def __str__(self) -> str:
        parts = [
            f"{len(names)} {what} ({_shown(names)})"
            for what, names in (
                ("missing", self.missing),
                ("unexpected", self.unexpected),
                ("of another shape or type", self.reshaped),
            )
            if names
        ]
        return ", ".join(parts) if parts else "none"


def layout_of(tensors: Mapping[str, torch.Tensor]) -> Layout:
    """The layout of tensors at hand."""
    return {name: TensorSpec.of(tensor) for name, tensor in tensors.items()}


def compare(found: Layout, expected: Layout) -> Differences:
    """Every difference between what a file holds and what it should."""
    reshaped = [
        f"{name} {_text(found[name])} instead of {_text(spec)}"
        for name, spec in expected.items()
        if name in found and not spec.accepts(found[name])
    ]
    missing = [name for name in expected if name not in found]
    unexpected = [name for name in found if name not in expected]
    return Differences(tuple(missing), tuple(unexpected), tuple(reshaped))


@cache
def published_layout(name: str) -> Layout:
    """The layout of a published weight file, from the manifests beside this module."""
    text = resources.files("sam_infer.weights.manifests").joinpath(f"{name}.json").read_text()
    return {key: TensorSpec(dtype, tuple(shape)) for key, (dtype, shape) in json.loads(text).items()}


def manifest_text(layout: Layout) -> str:
    """A layout as JSON, one tensor per line."""
    lines = [f"{json.dumps(key)}: {json.dumps([spec.dtype, list(spec.shape)])}" for key, spec in layout.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parameter_count(layout: Layout, prefix: str = "") -> int:
    """Values that training moves below `prefix`: running statistics and fixed frequencies are no parameters."""
    fixed = ("running_mean", "running_var", "num_batches_tracked", "positional_encoding_gaussian_matrix")
    counted = (spec for key, spec in layout.items() if key.startswith(prefix) and not key.endswith(fixed))
    return sum(torch.Size(spec.shape).numel() for spec in counted)


def _text(spec: TensorSpec) -> str:
    return f"{spec.dtype} {'x'.join(map(str, spec.shape)) or 'scalar'}"


def _shown(names: Iterable[str]) -> str:
    listed = list(names)
    more = f", and {len(listed) - NAMES_SHOWN} more" if len(listed) > NAMES_SHOWN else ""
    return ", ".join(listed[:NAMES_SHOWN]) + more
