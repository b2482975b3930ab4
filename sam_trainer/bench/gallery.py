"""Thumbnails of answers, so that a page can show the best, the median and the worst of every source."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import cv2
import numpy as np

from sam_infer.arrays import BoolArray, UInt8Array
from sam_trainer.bench.exam import Asked
from sam_trainer.simulation.prompt_styles import tight_box

Picture = UInt8Array

SIDE = 192
TRUTH_COLOUR, ANSWER_COLOUR = (0, 230, 90), (255, 70, 40)

# How much of the neighbourhood is shown: this many times the object's longer side.
CONTEXT = 2.0


@dataclass(frozen=True, eq=False)
class Shot:
    """One answer as a picture (SIDE, SIDE, 3), truth in green, answer in red."""

    source: str
    caption: str
    dice: float
    picture: Picture


@dataclass
class Gallery:
    """Pictures by condition and source."""

    shots: dict[tuple[str, str], list[Shot]] = field(default_factory=lambda: defaultdict(list))

    def add(self, condition: str, asked: Asked, mask: BoolArray, dice: float) -> None:
        """Keep a picture of an answer (H, W)."""
        target = asked.target
        caption = f"{target.case.name} {target.label}"
        shot = Shot(target.case.source, caption, dice, picture(asked.shown(), target.mask, mask))
        self.shots[condition, target.case.source].append(shot)

    def extremes(self, condition: str) -> list[tuple[str, Shot]]:
        """`(rank, shot)` of the best, median and worst answer of every source, source by source."""
        chosen = []
        for (kind, _), shots in sorted(self.shots.items()):
            if kind == condition:
                order = sorted(shots, key=lambda shot: -shot.dice)
                picks = (("best", 0), ("median", len(order) // 2), ("worst", len(order) - 1))
                chosen += [(rank, order[place]) for rank, place in picks]
        return chosen


def picture(pixels: Picture, truth: BoolArray, answer: BoolArray) -> Picture:
    """The surroundings of an object with both outlines (SIDE, SIDE, 3); arguments (H, W) or (H, W, 3)."""
    low, high = tight_box(truth)
    reach = max(int(CONTEXT * (high - low + 1).max() / 2), 12)
    centre = (low + high) // 2
    padding = [(reach, reach), (reach, reach)]
    rows, cols = (slice(int(c), int(c) + 2 * reach) for c in centre)
    colour = pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)
    shown = np.ascontiguousarray(np.pad(colour, [*padding, (0, 0)])[rows, cols])
    out = cv2.resize(shown, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    for mask, line in ((truth, TRUTH_COLOUR), (answer, ANSWER_COLOUR)):
        part = np.pad(mask, padding)[rows, cols].astype(np.uint8)
        large = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        outlines, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(out, outlines, -1, line, 1)
    return np.asarray(out, np.uint8)
