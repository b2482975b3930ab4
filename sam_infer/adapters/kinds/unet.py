"""Kind `unet`: a U-Net that names labels without a prompt, beside the network, which it leaves alone.

`sam_infer.networks.naming.unet.UNet.of` makes it of the tensors.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from sam_infer.adapters.kinds.kind import Told
from sam_infer.errors import AdapterError
from sam_infer.networks.naming.unet import UNET, UNET_LABEL, UNET_VALUE
from sam_infer.weights.fingerprint import Tensors


class UNetKind:
    """See `Kind`."""

    prefix = UNET
    inserts = False

    def check(self, tensors: Tensors) -> None:
        """Labels and values; whether they are a whole U-Net is found out where it is built."""
        for name in (f"{UNET}/{rest}" for rest in tensors):
            if not name.startswith((UNET_LABEL, UNET_VALUE)):
                raise AdapterError(f"the adapter holds {name!r}, which this version does not know: update samlabel")

    def merge(self, weights: Tensors, tensors: Tensors) -> Tensors:
        """The weights as they are."""
        return weights

    def insert(self, network: nn.Module, tensors: Tensors, told: Told) -> Mapping[str, nn.Parameter]:
        """Nothing: the U-Net is asked apart from the network."""
        return {}
