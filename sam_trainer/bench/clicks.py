"""How many clicks until the mask is right? A simulated reader corrects the largest error, again and again.

Every request holds all clicks so far and nothing else: what a client sends. The reader keeps clicking to the end, so
the tenth answer is the tenth answer, not the best of ten. Classical methods meet the same reader, who clicks on their
errors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sam_trainer.bench import classical as baselines
from sam_trainer.bench.exam import Asked, Exam
from sam_trainer.bench.gallery import Gallery
from sam_trainer.measures.overlap import dice
from sam_trainer.reports.table import Observation
from sam_trainer.simulation.clicks import Click, correction_click
from sam_trainer.simulation.prompt_styles import Drawn

BoolArray = npt.NDArray[np.bool_]
Method = Callable[[Drawn], BoolArray]

CLICKS = 10

# "Good enough" for NoC, the number of clicks until a Dice is reached; CLICKS where it never is.
GOALS = {"noc85": 0.85, "noc90": 0.90}


def measure(exam: Exam, gallery: Gallery, with_baselines: bool = True) -> list[Observation]:
    """Dice after 1 to CLICKS clicks of every object for the model and, if wanted, the baselines."""
    seen: list[Observation] = []
    for asked in exam.objects("clicks", own_cache=True):
        for name, method in _methods(asked, with_baselines).items():
            masks = session(asked.target.mask, method)
            found = [dice(mask, asked.target.mask) for mask in masks]
            seen += _observations(asked, name, found)
            if name == exam.backbone.name:
                gallery.add("clicks", asked, masks[-1], found[-1])
    return seen


def _methods(asked: Asked, with_baselines: bool) -> dict[str, Method]:
    pixels = asked.shown()

    def network(prompts: Drawn) -> BoolArray:
        return asked.answer(prompts).pixels

    def walker(prompts: Drawn) -> BoolArray:
        return baselines.walker(pixels, prompts.foreground, prompts.background)

    def growing(prompts: Drawn) -> BoolArray:
        return baselines.growing(pixels, prompts.foreground, prompts.background)

    methods: dict[str, Method] = {asked.predictor.backbone.name: network}
    return {**methods, "random_walker": walker, "region_growing": growing} if with_baselines else methods


def session(truth: BoolArray, method: Method, clicks: int = CLICKS) -> list[BoolArray]:
    """The answers (clicks, H, W) to 1, 2, ... clicks on the largest error; the last one stays when nothing is wrong."""
    made: list[Click] = []
    answers: list[BoolArray] = []
    mask = np.zeros_like(truth)
    for _ in range(clicks):
        click = correction_click(mask.astype(np.uint8), truth.astype(np.uint8))
        if click is not None:
            made.append(click)
            mask = method(as_prompts(made))
        answers.append(mask)
    return answers


def as_prompts(clicks: Sequence[Click]) -> Drawn:
    """Clicks as points of one object."""
    places = {label: [(c.y, c.x) for c in clicks if c.label == label] for label in (1, 0)}
    foreground, background = (np.array(places[label], np.int64).reshape(-1, 2) for label in (1, 0))
    return Drawn(foreground, background)


def clicks_until(found: Sequence[float], goal: float) -> int:
    """The number of the first answer that reaches `goal`; all of them when none does."""
    return next((n for n, value in enumerate(found, 1) if value >= goal), len(found))


def _observations(asked: Asked, method: str, found: list[float]) -> list[Observation]:
    """One per number of clicks; the last one carries the summary of the session."""
    summary: dict[str, float] = {name: clicks_until(found, goal) for name, goal in GOALS.items()}
    summary |= {"failures": float(max(found) < GOALS["noc85"]), "failures90": float(max(found) < GOALS["noc90"])}
    if method == asked.predictor.backbone.name:
        summary["encodes"] = asked.predictor.cache.stats.encodes
    return [
        asked.observe({"clicks": n, "method": method}, {"dice": value, **(summary if n == len(found) else {})})
        for n, value in enumerate(found, 1)
    ]
