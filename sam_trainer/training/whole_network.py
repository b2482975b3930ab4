"""What trains of a network that names labels: all of it, at one rate. Under the trainings of the head and the U-Net."""

from __future__ import annotations

from torch import nn

# Both start from nothing, unlike the network beside them.
RATE = 2e-3


class WholeNetwork:
    """A network of which every parameter trains; see `Adaptation`."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return list(self._network.parameters())

    @property
    def numbers(self) -> int:
        """How many numbers train."""
        return sum(parameter.numel() for parameter in self.parameters())

    def rates(self) -> list[tuple[float, list[nn.Parameter]]]:
        """The same, in groups with their peak learning rates."""
        return [(RATE, self.parameters())]
