"""Result of a propagation on one slice: the mask, its logits in frames, and its score, for blending."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import BoolArray, Float32Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.networks.backbone import downscale_mask, upscale_logits
from sam_infer.networks.frame import Frame
from sam_infer.slices.look import OUTSIDE_LOGIT
from sam_infer.slices.predictor import Prediction


@dataclass(frozen=True, eq=False)
class Part:
    """Logits (low_res, low_res) of one frame; small, whatever the size of the slice."""

    frame: Frame
    logits: Float32Array

    def on(self, view: SliceView) -> Float32Array:
        """Logits (H, W) of the whole slice."""
        full = upscale_logits(self.logits[None], self.frame)[0]
        return self.frame.paste(full, (view.height, view.width), OUTSIDE_LOGIT)

    def doubted(self, other: Float32Array, share: float) -> Part:
        """The mean with other logits (H, W) of the slice, which count `share`, where those are lower.

        They may take away, not add: what is followed from slice to slice grows, and objects taper off.
        """
        there = downscale_mask(self.frame.cut(other), self.frame, self.logits.shape[-1])
        return Part(self.frame, self.logits + share * np.minimum(there - self.logits, 0))

    @property
    def expected_iou(self) -> float:
        """What the IoU of the mask will be if every pixel is as likely as its logit says."""
        likely, found = 1.0 / (1.0 + np.exp(-self.logits)), self.logits > 0
        return float(likely[found].sum() / max(found.sum() + likely[~found].sum(), 1e-6))


@dataclass(frozen=True, eq=False)
class Patch:
    """A mask (H, W) without its empty margins."""

    row: int
    col: int
    pixels: BoolArray  # (h, w)

    @classmethod
    def of(cls, mask: BoolArray) -> Patch:
        """The smallest patch that holds a mask (H, W)."""
        if not mask.any():
            return cls(0, 0, np.zeros((0, 0), bool))
        rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        inside = mask[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        return cls(int(rows[0]), int(cols[0]), inside.copy())

    @property
    def key(self) -> tuple[int, int, tuple[int, ...], bytes]:
        """What identifies it."""
        return self.row, self.col, self.pixels.shape, np.packbits(self.pixels).tobytes()

    def on(self, view: SliceView) -> BoolArray:
        """The mask (H, W) of the whole slice."""
        out = np.zeros((view.height, view.width), bool)
        height, width = self.pixels.shape
        out[self.row : self.row + height, self.col : self.col + width] = self.pixels
        return out


@dataclass(frozen=True, eq=False)
class SliceAnswer:
    """The object on one slice: its mask, the logits it came from, and the network's own opinion."""

    view: SliceView
    patch: Patch
    runs: tuple[tuple[float, tuple[Part, ...]], ...]  # (weight, parts): one run, or two that were blended
    score: float  # predicted IoU

    @classmethod
    def of_prediction(cls, prediction: Prediction) -> SliceAnswer:
        """The answer to a reader's prompts on this slice."""
        part = Part(prediction.frame, prediction.candidates.logits[prediction.chosen])
        return cls(prediction.view, Patch.of(prediction.pixels), ((1.0, (part,)),), prediction.score)

    @classmethod
    def of_parts(cls, view: SliceView, parts: tuple[Part, ...], score: float, allowed: BoolArray) -> SliceAnswer:
        """What parts of the slice say together, inside `allowed` (H, W)."""
        return cls(view, Patch.of((strongest(parts, view) > 0) & allowed), ((1.0, parts),), score)

    def within(self, allowed: BoolArray) -> SliceAnswer:
        """The same without what lies outside `allowed` (H, W)."""
        return SliceAnswer(self.view, Patch.of(self.pixels & allowed), self.runs, self.score)

    def tempered(self, surest: float) -> SliceAnswer:
        """The same, no logit beyond `surest`: so that another answer has a say too."""
        runs = tuple((w, tuple(Part(p.frame, np.clip(p.logits, -surest, surest)) for p in ps)) for w, ps in self.runs)
        return SliceAnswer(self.view, self.patch, runs, self.score)

    @property
    def weight(self) -> int:
        """Bytes of its logits and its mask."""
        return self.patch.pixels.nbytes + sum(part.logits.nbytes for _, parts in self.runs for part in parts)

    @property
    def pixels(self) -> BoolArray:
        """The mask (H, W)."""
        return self.patch.on(self.view)

    @property
    def logits(self) -> Float32Array:
        """Logits (H, W): over parts the highest, over runs the weighted mean."""
        total = np.zeros((self.view.height, self.view.width), np.float32)
        for weight, parts in self.runs:
            total += np.float32(weight) * strongest(parts, self.view)
        return total


def strongest(parts: tuple[Part, ...], view: SliceView) -> Float32Array:
    """The highest logits (H, W) of any part."""
    best = parts[0].on(view)
    for part in parts[1:]:
        best = np.maximum(best, part.on(view))
    return best


def blended(first: SliceAnswer, second: SliceAnswer, share: float, allowed: BoolArray) -> SliceAnswer:
    """Two answers on one slice, the first weighted by `share`; nothing outside `allowed` (H, W)."""
    runs = tuple((share * w, p) for w, p in first.runs) + tuple(((1 - share) * w, p) for w, p in second.runs)
    mean = SliceAnswer(first.view, first.patch, runs, share * first.score + (1 - share) * second.score)
    return SliceAnswer(mean.view, Patch.of((mean.logits > 0) & allowed), runs, mean.score)
