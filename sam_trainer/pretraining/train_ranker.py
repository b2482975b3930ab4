"""Trains the ranker of first clicks on procedural scenes: what a network offers for one click, and what was meant.

The network itself is not changed. Half of the objects come with sizes as accepted labels would tell them, so that the
ranker learns how far to trust these.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.networks.backbone import Backbone, Candidates, Hints, upscale_logits
from sam_infer.networks.frame import Frame, resize_stack, whole
from sam_infer.slices.rank import AMBIGUOUS, Shown
from sam_infer.weights.prompting import Prompting, Ranker, Sizes
from sam_trainer.judging.rank_fit import Offered, fitted, mean_dice
from sam_trainer.measures.overlap import dice
from sam_trainer.simulation.clicks import Click, centre_click, deepest_click, random_click
from sam_trainer.synthetic.scene import sample, used

SIDE, OBJECTS = 256, 3
PIXEL_MM = (1.0, 1.0)

# Of the scenes, the share that judges.
JUDGING = 0.2

# How readers click: most of them near the middle.
CENTRE, DEEPEST = 0.35, 0.7

# How well accepted labels tell the size of the next object, in the logarithm.
SIZE_ERROR, MOST_KNOWN = 0.5, 20


@dataclass(frozen=True)
class RankerReport:
    """A trained ranker, and what it is worth on scenes that it was not fitted to."""

    prompting: Prompting
    objects: int

    @property
    def figures(self) -> dict[str, float]:
        """Mean Dice of the judging scenes: the network's own choice, the ranker's, the best there was."""
        ranker = self.prompting.ranker
        return dict(ranker.figures) if ranker is not None else {}


def train_ranker(
    backbone: Backbone, scenes: int, seed: int = 0, should_stop: Callable[[], bool] = lambda: False
) -> RankerReport:
    """The prompting of a network with a ranker fitted to `scenes` procedural scenes."""
    offered = []
    for index in range(scenes):
        if should_stop():
            break
        offered.append(list(_scene(backbone, seed, index)))
    judging = offered[: max(1, round(JUDGING * len(offered)))]
    learning = [one for scene in offered[len(judging) :] for one in scene]
    judged = [one for scene in judging for one in scene]
    ranker = fitted(learning)
    ranker = replace(ranker, figures=_figures(judged, ranker))
    return RankerReport(replace(backbone.prompting, ranker=ranker), len(learning))


def _figures(judged: list[Offered], ranker: Ranker) -> dict[str, float]:
    found = {
        "own": mean_dice(judged, None),
        "ranked": mean_dice(judged, ranker),
        "best": float(np.mean([one.dice.max() for one in judged])),
    }
    return {name: round(value, 4) for name, value in found.items()}


def _scene(backbone: Backbone, seed: int, index: int) -> Iterator[Offered]:
    """What a network offers for a click on each object of a scene; an object is asked for once."""
    rng = np.random.default_rng((seed, index, 1))
    drawn = sample(seed, index, SIDE, OBJECTS)
    image = used(drawn.image)
    height, width = image.shape[:2]
    frame = backbone.frame(whole(height, width), PIXEL_MM)
    features = backbone.encode(resize_stack(image[None], frame))
    for mask in np.unique(drawn.masks[:, :height, :width], axis=0):
        if not mask.any():
            continue
        click = _click(mask, rng)
        hints = Hints(frame.points_to_model(np.array([[click.y, click.x]])), np.ones(1, np.int64))
        yield _offered(backbone.decode(features, hints), frame, hints, (image, mask > 0), rng)


def _offered(
    candidates: Candidates, frame: Frame, hints: Hints, scene: tuple[UInt8Array, BoolArray], rng: np.random.Generator
) -> Offered:
    image, mask = scene
    shown = Shown.of(image, frame, hints, PIXEL_MM, candidates.logits.shape[-1])
    marks = [dice(upscale_logits(candidates.logits[n : n + 1], frame)[0] > 0, mask) for n in range(AMBIGUOUS)]
    size = math.log(float(mask.sum()) * PIXEL_MM[0] * PIXEL_MM[1])
    found = Offered.of(candidates, shown, marks, ("", size))
    if rng.random() < 0.5:
        return found
    told = Sizes(size + float(rng.normal(0.0, SIZE_ERROR)), SIZE_ERROR, int(rng.integers(1, MOST_KNOWN + 1)))
    return found.with_sizes(told)


def _click(mask: UInt8Array, rng: np.random.Generator) -> Click:
    kind = rng.random()
    if kind < CENTRE:
        return centre_click(mask)
    return deepest_click(mask, 1) if kind < DEEPEST else random_click(mask, 1, rng)
