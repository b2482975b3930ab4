"""Kind `value`: a parameter that takes the place of the network's own.

value/PARAMETER
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from sam_infer.adapters.kinds.kind import Told, require
from sam_infer.weights.fingerprint import Tensors

VALUE = "value"


class Value:
    """See `Kind`."""

    prefix = VALUE
    inserts = False

    def check(self, tensors: Tensors) -> None:
        """Any tensor may be some network's parameter."""

    def merge(self, weights: Tensors, tensors: Tensors) -> dict[str, torch.Tensor]:
        """The weights with some of them replaced."""
        result = dict(weights)
        for name in sorted(tensors):
            require(name in weights and weights[name].shape == tensors[name].shape, name)
            result[name] = tensors[name].to(weights[name].dtype)
        return result

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Nothing: everything is merged."""
        return {}


def value_name(parameter: str) -> str:
    """What a replaced parameter is called in the file."""
    return f"{VALUE}/{parameter}"
