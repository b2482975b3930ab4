"""Kind `semantic`: the prompt-free head, which stands beside the network and leaves it alone.

    semantic/label/LABEL        (width,) a query per label
    semantic/value/PARAMETER    the head's own parameters

`sam_infer.networks.naming.semantic_head.SemanticHead.of` makes the head of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from sam_infer.adapters.kinds.kind import Told
from sam_infer.errors import AdapterError
from sam_infer.networks.naming.semantic_head import SEMANTIC, SEMANTIC_LABEL, SEMANTIC_VALUE
from sam_infer.weights.fingerprint import Tensors


class Semantic:
    """See `Kind`."""

    prefix = SEMANTIC
    inserts = False

    def check(self, tensors: Tensors) -> None:
        """Labels and values; whether they are a whole head is found out where it is built."""
        for name in (f"{SEMANTIC}/{rest}" for rest in tensors):
            if not name.startswith((SEMANTIC_LABEL, SEMANTIC_VALUE)):
                raise AdapterError(f"the adapter holds {name!r}, which this version does not know: update samlabel")

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Nothing: the head is asked apart from the network."""
        return {}
