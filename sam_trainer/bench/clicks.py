"""Clicks bench (NoC, number of clicks): a simulated reader corrects the largest error until the mask is right.

Every request holds all clicks so far, their order, and nothing else: what a client sends. The reader keeps clicking to
the end, so the tenth answer is the tenth answer, not the best of ten. Classical methods meet the same reader, who
clicks on their errors. Where wanted, the reader also draws strokes and lassos instead of clicking, one per error;
strokes are seeds of the random walker too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.prompts.lasso import Lasso
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.prompts.scribble import Scribble
from sam_trainer.bench import classical
from sam_trainer.bench.exam import Asked, Exam
from sam_trainer.bench.gallery import Gallery
from sam_trainer.measures.overlap import dice
from sam_trainer.reports.table import Observation
from sam_trainer.simulation.gestures import Draw, Gesture, GestureMethod, gesture_session, lasso, stored, stroke
from sam_trainer.simulation.prompt_styles import Drawn
from sam_trainer.simulation.session import GOALS, Method, clicks_until, session


def measure(
    exam: Exam, gallery: Gallery, with_baselines: bool = True, with_gestures: bool = False
) -> list[Observation]:
    """Dice after 1 to CLICKS clicks of every object for the model and, if wanted, the baselines and gestures."""

    def work(asked: Asked) -> list[Observation]:
        seen: list[Observation] = []
        for name, method in _methods(asked, with_baselines).items():
            masks = session(asked.target.mask, method)
            found = [dice(mask, asked.target.mask) for mask in masks]
            seen += _observations(asked, name, found)
            if name == exam.backbone.name:
                gallery.add("clicks", asked, masks[-1], found[-1])
        for name, (gestures, draw) in _gestures(asked, with_baselines).items() if with_gestures else ():
            masks = gesture_session(asked.target.mask, gestures, draw, asked.rng(exam.seed))
            seen += _observations(asked, name, [dice(mask, asked.target.mask) for mask in masks])
        return seen

    return exam.each("clicks", work, own_cache=True)


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


def _gestures(asked: Asked, with_baselines: bool) -> dict[str, tuple[GestureMethod, Draw]]:
    """Strokes and lassos as a server understands them, and strokes as seeds."""
    pixels, view, geometry = asked.shown(), asked.target.view, asked.volume.geometry
    nothing = np.zeros((0, 3), np.int64)

    def told(prompts: Prompts) -> BoolArray:
        return asked.predictor.predict(asked.volume, prompts, view.index, asked.options).pixels

    def scribble(gestures: Sequence[Gesture]) -> BoolArray:
        inside, outside = (np.concatenate([nothing, *stored(gestures, label, view)]) for label in (1, 0))
        strokes = Scribble(inside.astype(np.int64), outside.astype(np.int64))
        return told(Prompts(view.axis, *strokes.points(geometry), painted=strokes.painted(geometry)))

    def lassoed(gestures: Sequence[Gesture]) -> BoolArray:
        drawn = Lasso(geometry, view.axis, *(tuple(stored(gestures, label, view)) for label in (1, 0)))
        painted = drawn.painted(None, nothing)
        return told(Prompts(view.axis, *drawn.points(), mask=drawn.prior(), painted=painted))

    def walker(gestures: Sequence[Gesture]) -> BoolArray:
        none = np.zeros((0, 2), np.int64)
        seeds = [np.concatenate([none, *(g.places for g in gestures if g.label == label)]) for label in (1, 0)]
        return classical.walker(pixels, seeds[0].astype(np.int64), seeds[1].astype(np.int64))

    methods: dict[str, tuple[GestureMethod, Draw]] = {"scribble": (scribble, stroke), "lasso": (lassoed, lasso)}
    return {**methods, "random_walker_scribble": (walker, stroke)} if with_baselines else methods


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
