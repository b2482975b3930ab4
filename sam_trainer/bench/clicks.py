"""Clicks bench (NoC, number of clicks): a simulated reader corrects the largest error until the mask is right.

Every request holds all clicks so far and nothing else: what a client sends. The reader keeps clicking to the end, so
the tenth answer is the tenth answer, not the best of ten. Classical methods meet the same reader, who clicks on their
errors.
"""

from __future__ import annotations

from sam_infer.arrays import BoolArray
from sam_trainer.bench import classical
from sam_trainer.bench.exam import Asked, Exam
from sam_trainer.bench.gallery import Gallery
from sam_trainer.measures.overlap import dice
from sam_trainer.reports.table import Observation
from sam_trainer.simulation.prompt_styles import Drawn
from sam_trainer.simulation.session import GOALS, Method, clicks_until, session


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
        return classical.walker(pixels, prompts.foreground, prompts.background)

    def growing(prompts: Drawn) -> BoolArray:
        return classical.growing(pixels, prompts.foreground, prompts.background)

    methods: dict[str, Method] = {asked.predictor.backbone.name: network}
    return {**methods, "random_walker": walker, "region_growing": growing} if with_baselines else methods


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
