"""Robustness bench: what disturbed prompts cost, in the ways of the SAM.MD and COSMOS studies.

Boxes (`edges`, `shift`, `scale`): by a share of the box's sides; `edges` also by pixels. `points`: random points on
the object, one anywhere in its inner half (`inner_half`), and the points of S2 to S4 displaced by a number of pixels,
all of them or only the first. `cost` is the Dice lost against the undisturbed prompt of the same strategy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sam_trainer.bench.exam import Asked, Exam
from sam_trainer.bench.prompts import DEPLOYABLE, ORACLE, proposals
from sam_trainer.measures.overlap import dice
from sam_trainer.reports.table import Observation
from sam_trainer.simulation.prompt_styles import (
    Drawn,
    displaced,
    drawn,
    inner_half,
    jittered_box,
    pushed_box,
    random_points,
    tight_box,
)

BOX_MODES = ("edges", "shift", "scale")
LEVELS = (0.01, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5)
BANDS_PX = ((0, 10), (10, 20), (20, 30))
COUNTS = (1, 3, 10)
REPEATS = 3


@dataclass(frozen=True)
class Disturbance:
    """One disturbed prompt and the strategy it disturbs."""

    mode: str
    level: str
    strategy: str
    prompts: Drawn


def measure(exam: Exam, repeats: int = REPEATS) -> list[Observation]:
    """Dice and its loss per mode and level on every object, `repeats` draws each."""
    return exam.each("robustness", lambda asked: _object(asked, exam.seed, repeats))


def _object(asked: Asked, seed: int, repeats: int) -> Iterator[Observation]:
    clean = {strategy: _dice(asked, drawn(asked.target.mask, strategy)) for strategy in ("S2", "S3", "S4", "S5")}
    for mode in BOX_MODES:
        yield from _observed(asked, mode, "0", clean["S5"], clean["S5"])
    for strategy in ("S2", "S3", "S4"):
        yield from _observed(asked, "points", f"{strategy} 0 px", clean[strategy], clean[strategy])
    rng = asked.rng(seed)
    for _ in range(repeats):
        for trial in trials(asked, rng):
            yield from _observed(asked, trial.mode, trial.level, _dice(asked, trial.prompts), clean[trial.strategy])


def trials(asked: Asked, rng: np.random.Generator) -> Iterator[Disturbance]:
    """One draw of every disturbance."""
    mask, box = asked.target.mask, tight_box(asked.target.mask)
    shape, none = (mask.shape[0], mask.shape[1]), np.zeros((0, 2), np.int64)
    for mode in BOX_MODES:
        for level in LEVELS:
            yield Disturbance(mode, f"{level:g}", "S5", Drawn(none, none, jittered_box(box, mode, level, shape, rng)))
    for low, high in BANDS_PX:
        moved_box = pushed_box(box, (low, high), shape, rng)
        yield Disturbance("edges", f"{low}-{high} px", "S5", Drawn(none, none, moved_box))
    yield Disturbance("points", "inner_half", "S2", Drawn(random_points(inner_half(mask), 1, rng), none))
    for count in COUNTS:
        yield Disturbance("points", f"{count} random", "S2", Drawn(random_points(mask, count, rng), none))
    for strategy in ("S2", "S3", "S4"):
        for low, high in BANDS_PX:
            for first_only in (False, True) if strategy != "S2" else (False,):
                moved = displaced(drawn(mask, strategy), (low, high), first_only, shape, rng)
                which = "first " if first_only else ""
                yield Disturbance("points", f"{strategy} {which}{low}-{high} px", strategy, moved)


def _dice(asked: Asked, prompts: Drawn) -> dict[str, float]:
    """Dice of the given mask and of the best proposed one."""
    prediction = asked.answer(prompts)
    found = [dice(mask, asked.target.mask) for mask in proposals(prediction)]
    return {DEPLOYABLE: found[0], ORACLE: max(found)}


def _observed(
    asked: Asked, mode: str, level: str, found: dict[str, float], clean: dict[str, float]
) -> Iterator[Observation]:
    for rule in (DEPLOYABLE, ORACLE):
        values = {"dice": found[rule], "cost": clean[rule] - found[rule]}
        yield asked.observe({"mode": mode, "level": level, "rule": rule}, values)
