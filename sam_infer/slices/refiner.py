"""A refiner: what accepted labels of one name have taught meanwhile, laid over the network's answer to a prompt.

The network and the answer it gives stay what they are; a refiner only moves the outline that is drawn from it. A
reader's word goes before what was learned: wherever the two answers differ and a click lies in the difference, the
network's answer holds, which has heard the click.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float32Array, Int64Array, UInt8Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.networks.backbone import Candidates, downscale_mask
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.look import FrameAnswer

# The share of the network's own logits where nothing was learned.
ALONE = 1.0


@dataclass(frozen=True, eq=False)
class Guess:
    """One object on one slice as the network answered it."""

    label: str
    volume: Volume
    view: SliceView
    seen: FrameAnswer
    logits: Float32Array  # (H, W)

    @property
    def shown(self) -> UInt8Array:
        """The slice (H, W) or (H, W, 3) through the window that the network saw it through."""
        return self.seen.window.apply(self.volume.pixels(self.view))


@dataclass(frozen=True, eq=False)
class Laid:
    """Logits (H, W) with what was learned laid over them, the candidates with them in the preferred one's place."""

    logits: Float32Array
    candidates: Candidates
    share: float = ALONE  # of the network's own logits


class Refiner(Protocol):
    """Lays what was learned over guesses; never changes while it answers."""

    @property
    def key(self) -> Hashable:
        """What decides its answers."""
        ...

    def share(self, label: str) -> float:
        """How much of the network's logits stays, 0 to 1; `ALONE` where nothing is laid over."""
        ...

    def refine(self, label: str, shown: UInt8Array, logits: Float32Array) -> Float32Array:
        """Logits (H, W) of both together; the very array that it is given where there is nothing to say."""
        ...


def laid_over(refiner: Refiner | None, guess: Guess, here: Prompts) -> Laid:
    """What was learned, laid over a guess; the guess itself, bit by bit, where there is nothing to say."""
    alone, seen = guess.logits, guess.seen
    share = ALONE if refiner is None else refiner.share(guess.label)
    if refiner is None or share == ALONE:
        return Laid(alone, seen.candidates)
    fused = refiner.refine(guess.label, guess.shown, alone)
    if fused is alone:
        return Laid(alone, seen.candidates)
    spots = guess.view.to_display(here.points).astype(np.int64).reshape(-1, 2)
    fused, kept = obeying(fused, alone, spots, here.labels), seen.candidates
    low_res = kept.logits.copy()
    low_res[kept.preferred] = downscale_mask(seen.frame.cut(fused), seen.frame, low_res.shape[-1])
    return Laid(fused, replace(kept, logits=low_res), share)


def obeying(fused: Float32Array, alone: Float32Array, spots: Int64Array, wanted: Int64Array) -> Float32Array:
    """Both answers (H, W) in one: `alone` wherever a click (N, 2) speaks against what the other one changed."""
    changed = (fused > 0) != (alone > 0)
    against = _against(fused > 0, changed, spots, wanted)
    if not against.any():
        return fused
    parts, _ = ndimage.label(changed)
    back = np.isin(parts, np.unique(parts[tuple(spots[against].T)]))
    return np.where(back, alone, fused).astype(np.float32)


def _against(answer: BoolArray, changed: BoolArray, spots: Int64Array, wanted: Int64Array) -> BoolArray:
    """Which clicks lie where the answer was changed to what they do not want."""
    if not len(spots):
        return np.zeros(0, bool)
    places = tuple(spots.T)
    return np.asarray(changed[places] & (answer[places] != (wanted == 1)))
