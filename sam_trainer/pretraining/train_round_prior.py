"""Trains how far the answer to a box is drawn to the ellipse of that box, on procedural scenes.

The network itself is not changed. Each object of a scene is asked for by its box, as a server would be asked; the
answer is drawn to the ellipse by several weights, and three numbers are sought that tell, from what can be seen without
the truth, the weight whose Dice is highest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from sam_infer.arrays import BoolArray, Float64Array, UInt8Array
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.itk_image import LPS_TO_RAS
from sam_infer.imaging.volume import Volume
from sam_infer.networks.backbone import Backbone
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.slices.embedding_cache import EmbeddingCache
from sam_infer.slices.look import full_logits, hints_of
from sam_infer.slices.predictor import Predictor
from sam_infer.slices.round_prior import LEAST, MOST, ROUND, agreement, ellipse_logits
from sam_infer.weights.prompting import RoundPrior
from sam_trainer.measures.overlap import dice
from sam_trainer.simulation.prompt_styles import tight_box
from sam_trainer.synthetic.scene import sample, used

SIDE, OBJECTS = 256, 3

# Smaller ones are no test of an edge.
LEAST_PIXELS = 40

# Weights that are tried; what lies between is interpolated in the logarithm.
WEIGHTS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 6.0)
SOFTEST = 0.025

# What the ellipse gains or costs one object counts up to this much Dice: where the network failed altogether, how far
# it is from the ellipse says nothing about edges, and few such objects would decide.
MOST_GAINED = 0.05

# Slopes are held a little, so that few scenes give no steep ones.
HOLD = 1e-4

# The loss has several valleys: how much the ellipse counts at first, and what its weight may depend on.
STARTS = [(base, *slopes) for base in (-2.5, -1.5) for slopes in ((0.0, 0.0), (1.5, 0.0), (1.5, -1.0))]


@dataclass(frozen=True, eq=False)
class BoxAnswer:
    """One object that was asked for by its box."""

    alike: float  # Dice of the network's answer and the ellipse
    score: float  # the network's own
    dice: Float64Array  # (len(WEIGHTS),) with the object


def train_round_prior(
    backbone: Backbone, scenes: int, seed: int = 0, should_stop: Callable[[], bool] = lambda: False
) -> RoundPrior:
    """The prior fitted to the boxes of `scenes` procedural scenes."""
    answers: list[BoxAnswer] = []
    for index in range(scenes):
        if should_stop():
            break
        answers += [one for one in _scene(backbone, seed, index) if one.alike >= ROUND]
    return fitted(answers)


def fitted(answers: Sequence[BoxAnswer]) -> RoundPrior:
    """The three numbers with the highest mean Dice."""
    seen = np.array([(one.alike, one.score) for one in answers])
    middle, spread = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    scaled, marks = (seen - middle) / spread, np.stack([_gains(one) for one in answers])

    def loss(numbers: Float64Array) -> float:
        weights = np.exp(np.clip(numbers[0] + scaled @ numbers[1:], LEAST, MOST))
        return float(HOLD * (numbers[1:] ** 2).sum() - _at(marks, weights).mean())

    tried = [minimize(loss, start, method="Powell") for start in STARTS]
    base, *slopes = min(tried, key=lambda one: float(one.fun)).x
    per_unit = np.asarray(slopes) / spread
    return RoundPrior(*(round(float(value), 4) for value in (base - per_unit @ middle, *per_unit)))


def _gains(answer: BoxAnswer) -> Float64Array:
    gained: Float64Array = np.clip(answer.dice - answer.dice[0], -MOST_GAINED, MOST_GAINED)
    return gained


def _at(marks: Float64Array, weights: Float64Array) -> Float64Array:
    """Gains (N,) of each object at its own weight, from those (N, len(WEIGHTS)) that were tried."""
    known = np.log(np.array(WEIGHTS) + SOFTEST)
    wanted = np.log(np.clip(weights, 0.0, WEIGHTS[-1]) + SOFTEST)
    return np.array([np.interp(value, known, one) for value, one in zip(wanted, marks, strict=True)])


def _scene(backbone: Backbone, seed: int, index: int) -> Iterator[BoxAnswer]:
    """The answers to the boxes of a scene's objects, each asked for once."""
    drawn = sample(seed, index, SIDE, OBJECTS)
    image = used(drawn.image)
    volume = picture(image)
    predictor = Predictor(backbone, EmbeddingCache())
    for mask in np.unique(drawn.masks[:, : image.shape[0], : image.shape[1]], axis=0):
        if mask.sum() >= LEAST_PIXELS:
            yield _asked(predictor, volume, mask > 0)


def _asked(predictor: Predictor, volume: Volume, mask: BoolArray) -> BoxAnswer:
    view = volume.view(2, 0)
    prompts = Prompts(2, box=Box.of(*view.to_stored(tight_box(mask))))
    found = predictor.predict(volume, prompts, 0)
    own, score = found.candidates.logits[found.chosen], found.score
    ellipse = ellipse_logits(hints_of(prompts, view, found.frame), found.frame, own.shape[-1])
    marks = [dice(full_logits(own + weight * ellipse, found.frame, view) > 0, mask) for weight in WEIGHTS]
    return BoxAnswer(agreement(own, ellipse), score, np.array(marks))


def picture(image: UInt8Array) -> Volume:
    """A scene (H, W, 3) as the file of a picture would be read; one without colour has one channel."""
    grey = bool((image == image[..., :1]).all())
    pixels = (image[..., 0] if grey else image).swapaxes(0, 1)[:, :, None]
    shape = (pixels.shape[0], pixels.shape[1], 1)
    return Volume(np.ascontiguousarray(pixels), Geometry(shape, LPS_TO_RAS), "OTHER" if grey else "RGB")
