"""Accepted cases as few-shot examples for automatic modes, without the image that is asked about (no leakage).

Nothing in this package looks for labels. Whoever asks decides what may be known, and the image that is asked about is
left out here a second time: a copy of it under another name would be its own answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from sam_infer.arrays import Float64Array
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask, Volume

# Cases are compared as pictures of this many voxels per side.
THUMBNAIL = 12


# Each case that is looked at costs reading its image, and stays in memory for the time of the request.
MOST_CASES, MOST_BYTES = 8, 1 << 30


@dataclass(frozen=True, eq=False)
class AcceptedCase:
    """An image and its accepted labels; a value means the same label in every case."""

    volume: Volume
    labels: Mask

    def __post_init__(self) -> None:
        self.labels.require_same_grid(self.volume.geometry, "accepted label")

    @cached_property
    def digest(self) -> str:
        """Hash of image and labels: equal digests teach the same."""
        state = hashlib.blake2b(self.volume.digest.encode(), digest_size=16)
        state.update(np.ascontiguousarray(self.labels.array.transpose(2, 1, 0)).data)
        return state.hexdigest()


def affordable(cases: Iterable[AcceptedCase], most_cases: int = MOST_CASES) -> list[AcceptedCase]:
    """The first of many cases, read one by one until there are enough or memory says so; always one if there is any."""
    kept: list[AcceptedCase] = []
    used = 0
    for case in cases:
        kept.append(case)
        used += case.volume.nbytes + case.labels.array.nbytes
        if len(kept) == most_cases or used >= MOST_BYTES:
            break
    return kept


def others(volume: Volume, cases: Sequence[AcceptedCase]) -> list[AcceptedCase]:
    """The cases that can say something about a volume: other images of its kind, most alike first."""
    fitting = [
        case
        for case in cases
        if case.volume.digest != volume.digest
        and case.volume.modality == volume.modality
        and (case.volume.geometry.shape[2] == 1) == (volume.geometry.shape[2] == 1)
    ]
    if not fitting:
        raise PromptError(
            f"there is no accepted label of another image of modality {volume.modality} to learn from: accept one "
            "first, or use mode propose",
            "mode",
        )
    mine = _thumbnail(volume)
    return sorted(fitting, key=lambda case: -float((_thumbnail(case.volume) * mine).mean()))


def _thumbnail(volume: Volume) -> Float64Array:
    """A small picture in body order (THUMBNAIL per side), mean 0 and deviation 1."""
    grey = volume.array.mean(axis=3) if volume.is_colour else volume.array
    world = volume.geometry.world_axes
    order = np.argsort([axis for axis, _ in world])
    turned = grey.transpose(order)
    for axis, stored in enumerate(order):
        if world[stored][1] < 0:
            turned = np.flip(turned, axis)
    step = tuple(slice(None, None, max(1, n // (2 * THUMBNAIL))) for n in turned.shape)
    small = turned[step].astype(np.float64)
    small = ndimage.zoom(small, [THUMBNAIL / n for n in small.shape], order=1)
    return np.asarray((small - small.mean()) / (small.std() + 1e-6))
