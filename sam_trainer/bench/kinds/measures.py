"""What is asked of a network after a proof's training, and by what rule its training asked.

one click        as a reader points at an object
both meanings    a click means the whole object, a box around it means its core
unprompted       nothing is said: the answer is to the picture alone
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from sam_infer.imaging.volume import Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Hints, upscale_logits
from sam_infer.networks.frame import whole
from sam_infer.slices.predictor import Predictor
from sam_trainer.labels.cases import Target
from sam_trainer.lessons.prompt_batch import MASK_STRIDE, Batch
from sam_trainer.measures.overlap import dice
from sam_trainer.simulation.clicks import FirstPrompt, deepest_click, random_click, tight_box
from sam_trainer.simulation.prompt_styles import drawn
from sam_trainer.simulation.session import session
from sam_trainer.synthetic.cohorts.fields import core_of

ONE_CLICK, BOTH_MEANINGS, UNPROMPTED = "dice_1click", "dice_both_meanings", "dice_unprompted"

# Share of clicks where an object is thickest; the rest are anywhere in it.
DEEPEST = 0.6

# How a batch asks: what was drawn, as a proof wants it said.
Rule = Callable[[Batch, np.random.Generator], Batch]
Measure = Callable[[Predictor, Volume, Target], float]


def pointed(batch: Batch, rng: np.random.Generator) -> Batch:
    """One click, as it is measured: boxes would give away what a cohort hides."""
    masks = batch.truth.numpy()
    deep = rng.random(len(masks)) < DEEPEST
    clicks = [
        deepest_click(mask, 1) if at_depth else random_click(mask, 1, rng)
        for mask, at_depth in zip(masks, deep, strict=True)
    ]
    return _first_said(batch, [FirstPrompt([click]) for click in clicks])


def of_two_meanings(batch: Batch, rng: np.random.Generator) -> Batch:
    """A click in the core for the whole, or a box around the whole for the core."""
    prompts, wanted = [], []
    for mask in batch.truth.numpy():
        core = core_of(mask).astype(np.uint8)
        if rng.random() < 0.5:
            prompts.append(FirstPrompt([random_click(core, 1, rng)]))
            wanted.append(mask)
        else:
            prompts.append(FirstPrompt([], tight_box(mask)))
            wanted.append(core)
    truth = torch.from_numpy(np.stack(wanted))
    coverage = F.avg_pool2d(truth.float(), MASK_STRIDE)
    return _first_said(replace(batch, truth=truth, coverage=coverage, extent=coverage.sum((-2, -1))), prompts)


def unprompted(batch: Batch, rng: np.random.Generator) -> Batch:
    """Nothing is said first."""
    return _first_said(batch, [FirstPrompt() for _ in batch.prompts])


def clicked(predictor: Predictor, volume: Volume, target: Target) -> float:
    """Dice of the answer to one click."""
    index = target.view.index
    first = session(target.mask, lambda said: predictor.predict(volume, said.on(target.view), index).pixels, 1)[0]
    return dice(first, target.mask)


def both_meanings(predictor: Predictor, volume: Volume, target: Target) -> float:
    """Mean Dice of a click, which means the whole, and of a box, which means the core."""
    boxed = predictor.predict(volume, drawn(target.mask, "S5").on(target.view), target.view.index).pixels
    return (clicked(predictor, volume, target) + dice(boxed, core_of(target.mask))) / 2


def unasked(predictor: Predictor, volume: Volume, target: Target) -> float:
    """Dice of what is answered to no prompt at all, which no client can ask for."""
    view, network = target.view, predictor.backbone
    frame = network.frame(whole(view.height, view.width), view.pixel_mm)
    features = predictor.features(volume, view, choose_window(volume), frame)
    found = network.decode(features, Hints(np.zeros((0, 2), np.float32), np.zeros(0, np.int64)))
    answer = upscale_logits(found.logits[found.preferred][None], frame)[0] > 0
    return dice(answer, target.mask)


RULES: Mapping[str, Rule] = {ONE_CLICK: pointed, BOTH_MEANINGS: of_two_meanings, UNPROMPTED: unprompted}
MEASURES: Mapping[str, Measure] = {ONE_CLICK: clicked, BOTH_MEANINGS: both_meanings, UNPROMPTED: unasked}


def _first_said(batch: Batch, prompts: list[FirstPrompt]) -> Batch:
    return replace(batch, prompts=prompts, earlier=torch.full_like(batch.earlier, torch.nan))
