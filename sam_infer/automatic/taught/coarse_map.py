"""Coarse maps: ridge regression on embedding features localises each label, and the result prompts the network.

The features of accepted cases and their labels are fitted twice in closed form: no training loop, the same numbers
every time. The first fit says how much a place looks like each label, a Gaussian says how often the label lies there,
and the second fit weighs both against those of all other labels: a kidney looks like a spleen, elsewhere. Applied to a
new slice this says roughly where each label is; that becomes a box and a mask prompt, and the network draws the edge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float32Array, Float64Array, UInt8Array
from sam_infer.automatic.taught.embedded_slice import label_shares, stacked
from sam_infer.errors import PromptError
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.slice_view import SliceView
from sam_infer.networks.backbone import Features
from sam_infer.networks.frame import Frame

# Keep both fits small where few pixels say little; relative to the mean variance. Measured on procedural abdomens.
RIDGE, MIXING_RIDGE = 3e-4, 1e-5

# In the first fit a label's pixels together weigh as much as so many of the background's: organs are small.
LABEL_WEIGHT = 0.5

# Places are in units of 100 mm; a few cases say less about where a label may be than their spread pretends.
PLACE_MM, PLACE_SPREAD, LEAST_SPREAD = 100.0, 1.5, 0.05

# Above this a coarse pixel belongs to the label, between background (0) and label (1).
INSIDE = 0.4

# Up to so many labels each is weighed against every other; of more, each against its own place alone.
MOST_PAIRED = 16


@dataclass(frozen=True, eq=False)
class Lesson:
    """One accepted slice: its embedding, its label values (S, S) in the embedding's frame, its places."""

    features: Features
    values: UInt8Array
    places: Float64Array  # (side * side, 3), see `places`


@dataclass(frozen=True, eq=False)
class CoarseMap:
    """Where labels are on a slice, roughly; learned from accepted slices."""

    side: int
    appearance: Float64Array  # (C, labels)
    middles: Float64Array  # (labels, 3)
    reach: Float64Array  # (labels, 3, 3) inverse covariances; zero for a label that was never seen
    mixing: Float64Array  # (M, labels)

    @classmethod
    def learned(cls, labels: int, side: int, lessons: Callable[[], Iterable[Lesson]]) -> CoarseMap:
        """Fitted to all lessons, which are asked for twice."""
        first, where = _Fit(), _Where(labels)
        for lesson in lessons():
            share = _shares(lesson.values, labels, side)
            first.add(stacked(lesson.features, side), share, _weights(share))
            where.add(lesson.places, share)
        middles, reach = where.found()
        half = cls(side, first.solved(RIDGE), middles, reach, np.zeros((0, 0)))
        second = _Fit()
        for lesson in lessons():
            share = _shares(lesson.values, labels, side)
            second.add(half._evidence(lesson.features, lesson.places), share, np.ones(len(share)))
        return cls(side, half.appearance, middles, reach, second.solved(MIXING_RIDGE))

    def of(self, features: Features, where: Float64Array) -> Float32Array:
        """Where each label is on a new slice: about 0 outside, 1 inside; (labels, side, side)."""
        flat = self._evidence(features, where) @ self.mixing
        return np.asarray(flat.T.reshape(-1, self.side, self.side), np.float32)

    def _evidence(self, features: Features, where: Float64Array) -> Float64Array:
        """(side * side, M): looks, places, their products, and a constant."""
        looks = stacked(features, self.side) @ self.appearance
        offset = where[:, None, :] - self.middles
        near = np.exp(-0.5 * np.einsum("nli,lij,nlj->nl", offset, self.reach, offset))
        near = near * self.reach.any(axis=(1, 2))
        both = looks[:, :, None] * near[:, None, :] if looks.shape[1] <= MOST_PAIRED else looks * near
        return np.concatenate([looks, near, both.reshape(len(looks), -1), np.ones((len(looks), 1))], axis=1)


class _Fit:
    """A weighted least-squares fit that grows by slices."""

    def __init__(self) -> None:
        self.moments: Float64Array | None = None
        self.targets: Float64Array | None = None

    def add(self, x: Float64Array, y: Float64Array, weight: Float64Array) -> None:
        moments, targets = x.T @ (x * weight[:, None]), x.T @ (y * weight[:, None])
        self.moments = moments if self.moments is None else self.moments + moments
        self.targets = targets if self.targets is None else self.targets + targets

    def solved(self, ridge: float) -> Float64Array:
        if self.moments is None or self.targets is None:
            raise PromptError("there is no accepted case to learn from: accept a label first", "mode")
        size = len(self.moments)
        damped = self.moments + (ridge * float(np.trace(self.moments)) / size + 1e-12) * np.eye(size)
        return np.asarray(np.linalg.solve(damped, self.targets))


class _Where:
    """A Gaussian per label over places, grown by slices."""

    def __init__(self, labels: int) -> None:
        self.total, self.first, self.second = np.zeros(labels), np.zeros((labels, 3)), np.zeros((labels, 3, 3))

    def add(self, where: Float64Array, share: Float64Array) -> None:
        self.total += share.sum(axis=0)
        self.first += share.T @ where
        self.second += np.einsum("nl,ni,nj->lij", share, where, where)

    def found(self) -> tuple[Float64Array, Float64Array]:
        seen = self.total > 0
        total = np.where(seen, self.total, 1.0)
        middles = self.first / total[:, None]
        spread = self.second / total[:, None, None] - middles[:, :, None] * middles[:, None, :]
        reach = np.linalg.inv((spread + LEAST_SPREAD**2 * np.eye(3)) * PLACE_SPREAD)
        return middles, np.asarray(reach * seen[:, None, None])


def places(view: SliceView, frame: Frame, geometry: Geometry, centre: Float64Array, side: int) -> Float64Array:
    """Where the pixels of a coarse map lie, from the middle of the body, in units of `PLACE_MM`: (side * side, 3)."""
    model = (np.arange(side) + 0.5) * frame.input_size / side - 0.5
    rows = (model + 0.5) / frame.scale_yx[0] - 0.5 + frame.crop.row
    cols = (model + 0.5) / frame.scale_yx[1] - 0.5 + frame.crop.col
    spots = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.asarray((geometry.to_world(view.to_stored(spots)) - centre) / PLACE_MM)


def in_frame(values: UInt8Array, frame: Frame) -> UInt8Array:
    """Label values (H, W) of a slice as its frame shows them: (input_size, input_size), nearest neighbour, 0 padded."""
    part = frame.cut(values)
    rows = ((np.arange(frame.input_height) + 0.5) * part.shape[0] / frame.input_height).astype(int)
    cols = ((np.arange(frame.input_width) + 0.5) * part.shape[1] / frame.input_width).astype(int)
    out = np.zeros((frame.input_size, frame.input_size), np.uint8)
    out[: frame.input_height, : frame.input_width] = part[rows[:, None], cols]
    return out


def likeliest(coarse: Float32Array) -> list[BoolArray]:
    """Of each label's map the part to prompt with: its most certain piece where no other is surer.

    Maps are (labels, l, l), or (labels, slices, l, l): then a piece is connected in 3D.
    """
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


def _shares(values: UInt8Array, labels: int, side: int) -> Float64Array:
    """The share of each coarse pixel that each label covers: (side * side, labels)."""
    return label_shares(values, labels, side).reshape(labels, -1).T.double().numpy()


def _weights(share: Float64Array) -> Float64Array:
    weight = np.ones(len(share))
    for column in share.T:
        if column.any():
            weight += column * LABEL_WEIGHT * len(share) / column.sum()
    return weight
