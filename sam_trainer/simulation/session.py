"""A simulated session of clicks: each corrects the largest error of the answer before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sam_infer.arrays import BoolArray
from sam_trainer.simulation.clicks import Click, correction_click
from sam_trainer.simulation.prompt_styles import Drawn

Method = Callable[[Drawn], BoolArray]
CLICKS = 10
# "Good enough" for NoC, the number of clicks until a Dice is reached; CLICKS where it never is.
GOALS = {"noc85": 0.85, "noc90": 0.90}


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
    """Clicks as points of one object, in the order in which they were made."""
    places = {label: [(c.y, c.x) for c in clicks if c.label == label] for label in (1, 0)}
    foreground, background = (np.array(places[label], np.int64).reshape(-1, 2) for label in (1, 0))
    turns = [n for label in (1, 0) for n, c in enumerate(clicks) if c.label == label]
    return Drawn(foreground, background, turns=np.array(turns, np.int64))


def clicks_until(found: Sequence[float], goal: float) -> int:
    """The number of the first answer that reaches `goal`; all of them when none does."""
    return next((n for n, value in enumerate(found, 1) if value >= goal), len(found))
