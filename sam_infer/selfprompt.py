"""A coarse map from the embedding becomes the prompt: first where, then exactly.

The features of accepted cases and their labels give one linear map per label, fitted in closed form: no training loop,
the same numbers every time. Applied to a new slice it says roughly where each label is; that becomes a box and a mask
prompt, and the network draws the edge. The answer is fed back once more, as its own prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage

from sam_infer.backbone import Features
from sam_infer.errors import PromptError

FloatArray = npt.NDArray[np.float64]

# Keeps the map small where few pixels say little; relative to the mean feature variance.
RIDGE = 0.03

# A label's pixels together weigh as much as so many of the background's: organs are small.
LABEL_WEIGHT = 0.5

# Above this a coarse pixel belongs to the label: half way between background (0) and label (1).
INSIDE = 0.5


def stacked(features: Features, side: int) -> FloatArray:
    """All maps of an embedding at `side` x `side`, with a constant and the place on the slice: (side * side, C)."""
    maps = []
    for name in sorted(features):
        values = features[name].float()
        values = values[None] if values.ndim == 3 else values
        maps.append(F.interpolate(values, (side, side), mode="bilinear", align_corners=False)[0])
    place = torch.linspace(-1, 1, side)
    maps += [place.expand(1, side, side), place[:, None].expand(1, side, side), torch.ones(1, side, side)]
    return torch.cat(maps).reshape(-1, side * side).T.double().numpy()


@dataclass
class CoarseMap:
    """One linear map per label from features to "how much of this is here"; grows with every accepted slice."""

    labels: Sequence[str]
    side: int
    _moments: FloatArray | None = field(default=None, repr=False)
    _targets: FloatArray | None = field(default=None, repr=False)

    def learn(self, features: Features, values: npt.NDArray[np.uint8]) -> None:
        """Take in one accepted slice: its embedding, and its label values (H, W) in the embedding's frame."""
        x = stacked(features, self.side)
        share = np.stack([_shrunk(values == n, self.side) for n in range(1, len(self.labels) + 1)], axis=1)
        weight = np.ones(len(x))
        for column in share.T:
            if column.any():
                weight += column * LABEL_WEIGHT * len(x) / column.sum()
        moments, targets = x.T @ (x * weight[:, None]), x.T @ (share * weight[:, None])
        self._moments = moments if self._moments is None else self._moments + moments
        self._targets = targets if self._targets is None else self._targets + targets
        self.__dict__.pop("weights", None)

    @cached_property
    def weights(self) -> FloatArray:
        """(C, labels) of the fit to everything learned so far."""
        if self._moments is None or self._targets is None:
            raise PromptError("there is no accepted case to learn from: accept a label first", "mode")
        ridge = RIDGE * float(np.trace(self._moments)) / len(self._moments)
        return np.asarray(np.linalg.solve(self._moments + ridge * np.eye(len(self._moments)), self._targets))

    def of(self, features: Features) -> npt.NDArray[np.float32]:
        """Where each label is on a new slice: about 0 outside, 1 inside; (labels, side, side)."""
        flat = stacked(features, self.side) @ self.weights
        return np.asarray(flat.T.reshape(len(self.labels), self.side, self.side), np.float32)


def likeliest(coarse: npt.NDArray[np.float32]) -> list[npt.NDArray[np.bool_]]:
    """Of each label's map (labels, l, l) the part to prompt with: its most certain piece where no other is surer."""
    best = coarse.argmax(axis=0)
    pieces = []
    for number, values in enumerate(coarse):
        mask = (values > INSIDE) & (best == number)
        labels, count = ndimage.label(mask)
        if count > 1:
            sums = ndimage.sum_labels(values, labels, range(1, count + 1))
            mask = labels == 1 + int(np.argmax(sums))
        pieces.append(np.asarray(mask))
    return pieces


def _shrunk(mask: npt.NDArray[np.bool_], side: int) -> FloatArray:
    """The share of each coarse pixel that is covered, flat (side * side,)."""
    tensor = torch.from_numpy(mask.astype(np.float32))[None, None]
    return F.interpolate(tensor, (side, side), mode="area").reshape(-1).double().numpy()
