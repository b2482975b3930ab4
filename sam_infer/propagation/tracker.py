"""Mask tracker between neighbouring slices: says where an object of one slice lies on the next.

A promptable network that is shown a mask finds something of that shape on the next slice, also where nothing is. This
one sees both slices: which edges the mask followed, and where they went.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from sam_infer.arrays import BoolArray, Float32Array, UInt8Array
from sam_infer.networks.backbone import downscale_mask, upscale_logits
from sam_infer.networks.frame import Crop, Frame, fit_longest
from sam_infer.networks.tracker_net import SIDE, TrackerNet
from sam_infer.propagation.intensity_model import MOST_EVIDENCE, IntensityModel
from sam_infer.propagation.slice_result import Part

WEIGHTS = Path(__file__).parents[1] / "weights" / "shipped" / "tracker.safetensors"

# Side of what it is shown over the longest side of the object, and the pixels added to that.
ROOM, RIM = 2.1, 4

# Intensities are measured in spreads of the slice before; flat ones have none.
LEAST_SPREAD = 0.02

# Surer than this it is not allowed to be: the other network has a say too.
SUREST = 6.0


@dataclass(frozen=True, eq=False)
class Section:
    """One slice as it is displayed, and the object on it."""

    grey: Float32Array  # (H, W) of 0..1
    mask: BoolArray  # (H, W)
    pixel_mm: tuple[float, float]

    @property
    def frame(self) -> Frame:
        """A square in mm around the object."""
        row_mm, col_mm = self.pixel_mm
        (top, left), (bottom, right) = extent(self.mask)
        height, width = (bottom + 1 - top) * row_mm, (right + 1 - left) * col_mm
        side = ROOM * max(height, width) + RIM * min(row_mm, col_mm)
        shape = max(1, round(side / row_mm)), max(1, round(side / col_mm))
        middle = (top + bottom + 1) / 2, (left + right + 1) / 2
        crop = Crop(round(middle[0] - shape[0] / 2), round(middle[1] - shape[1] / 2), *shape)
        return fit_longest(crop, self.pixel_mm, SIDE, "centre")


@dataclass(frozen=True, eq=False)
class Tracker:
    """A network, and what the object looked like where it was pointed at."""

    net: TrackerNet
    look: IntensityModel | None
    start: Section

    @classmethod
    def at(cls, start: Section) -> Tracker:
        """For an object that was found here."""
        frame = start.frame
        look = IntensityModel.of(seen(start.grey, frame), seen(start.mask, frame) > 0.5)
        return cls(embedded_net(), look, start)

    def next(self, before: Section, grey: Float32Array) -> Part:
        """Where the object of `before` is on the neighbouring slice (H, W)."""
        return self._follow(before, grey, before.frame)

    def recalled(self, before: Section, grey: Float32Array) -> Part:
        """Where the object as it was at the start is on a slice (H, W), at the place where it was on the slice before.

        What is followed from slice to slice drifts; this one does not, but knows nothing of how the object changes.
        """
        crop, (top, left), (bottom, right) = self.start.frame.crop, *extent(before.mask)
        row, col = (top + bottom + 1 - crop.height) / 2, (left + right + 1 - crop.width) / 2
        here = fit_longest(Crop(round(row), round(col), crop.height, crop.width), before.pixel_mm, SIDE, "centre")
        return self._follow(self.start, grey, here)

    def _follow(self, known: Section, grey: Float32Array, frame: Frame) -> Part:
        """Where the object of `known` is within a frame of a slice (H, W)."""
        last, now = seen(known.grey, known.frame), seen(grey, frame)
        middle, spread = last.mean(), last.std() + LEAST_SPREAD
        evidence = np.zeros_like(now) if self.look is None else self.look.evidence(now) / MOST_EVIDENCE
        mask = 2 * seen(known.mask, known.frame) - 1
        shown = np.stack([(last - middle) / spread, (now - middle) / spread, mask, evidence]).astype(np.float32)
        with torch.inference_mode():
            logits = self.net(torch.from_numpy(shown)[None])[0, 0].numpy()
        return Part(frame, np.clip(logits, -SUREST, SUREST))

    def round_trip(self, before: Section, after: Section) -> float:
        """IoU of the mask of `before` with where that of `after`, on the neighbouring slice, is followed back to."""
        if not after.mask.any():
            return 0.0
        part = self.next(after, before.grey)
        frame, shape = part.frame, before.mask.shape
        back = frame.paste(upscale_logits(part.logits[None], frame)[0], (shape[0], shape[1]), -SUREST) > 0
        return float((back & before.mask).sum() / (back | before.mask).sum())


def extent(mask: BoolArray) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row and column of a mask (H, W) that is not empty."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return (int(rows[0]), int(cols[0])), (int(rows[-1]), int(cols[-1]))


def seen(values: npt.NDArray[Any], frame: Frame) -> Float32Array:
    """Values (H, W) of a slice as the network gets them (SIDE, SIDE)."""
    return downscale_mask(frame.cut(values).astype(np.float32), frame, SIDE)


def grey_of(shown: UInt8Array) -> Float32Array:
    """A displayed slice (H, W) or (H, W, 3) as grey values of 0..1."""
    grey = shown.astype(np.float32) / 255.0
    return np.asarray(grey.mean(axis=-1)) if grey.ndim == 3 else grey


@cache
def embedded_net() -> TrackerNet:
    """The network that is part of the package."""
    return with_weights(load_file(WEIGHTS))


def with_weights(weights: Mapping[str, torch.Tensor]) -> TrackerNet:
    """A network that only answers."""
    net = TrackerNet()
    net.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # a third faster than planes
