"""Kind `low_rank`: a low-rank change that is added to some rows of a parameter (LoRA).

    low_rank/PARAMETER/PART/a   (rank, columns)
    low_rank/PARAMETER/PART/b   (rows, rank)

`b @ a` is added to the rows PART of PARAMETER: q, k and v are the thirds of a fused projection, `all` is every row.
A convolution's row is all that its first axis counts, flattened.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from sam_infer.adapters.kinds.kind import Told, require
from sam_infer.errors import AdapterError
from sam_infer.weights.fingerprint import Tensors

LOW_RANK = "low_rank"
THIRDS = ("q", "k", "v")
ALL_ROWS = "all"


class LowRank:
    """See `Kind`."""

    prefix = LOW_RANK
    inserts = False

    def check(self, tensors: Tensors) -> None:
        """Every `a` has its `b`, and their ranks are equal."""
        for name in tensors:
            place, _, factor = name.rpartition("/")
            a, b = tensors.get(f"{place}/a"), tensors.get(f"{place}/b")
            if factor not in ("a", "b") or a is None or b is None:
                raise AdapterError(f"the adapter is not whole: {LOW_RANK}/{name} stands alone")
            require(a.ndim == b.ndim == 2 and b.shape[1] == a.shape[0], f"{LOW_RANK}/{name}")

    def merge(self, weights: Tensors, tensors: Tensors) -> dict[str, torch.Tensor]:
        """The weights with the changes added; rows that are not adapted keep every bit."""
        result = dict(weights)
        changed: set[str] = set()
        for name in sorted(tensors):
            place, _, factor = name.rpartition("/")
            if factor != "a":
                continue
            parameter, _, part = place.rpartition("/")
            require(parameter in weights, name)
            a, b = tensors[name], tensors[f"{place}/b"]
            if parameter not in changed:
                result[parameter] = result[parameter].clone()
                changed.add(parameter)
            rows = result[parameter][rows_of(part, len(result[parameter]))]
            require((len(rows), rows[0].numel()) == (b.shape[0], a.shape[1]), name)
            rows += (b @ a).to(rows.dtype).view_as(rows)
        return result

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Nothing: everything is merged."""
        return {}


def low_rank_name(parameter: str, part: str, factor: str) -> str:
    """What one factor of a low-rank change is called in the file."""
    return f"{LOW_RANK}/{parameter}/{part}/{factor}"


def rows_of(part: str, rows: int) -> slice:
    """The rows of a parameter that a part means."""
    if part == ALL_ROWS:
        return slice(0, rows)
    if part not in THIRDS or rows % 3:
        raise AdapterError(f"{part!r} is no part of {rows} rows")
    third = rows // 3
    start = THIRDS.index(part) * third
    return slice(start, start + third)
