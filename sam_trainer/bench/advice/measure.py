"""Advice bench: whether warnings tell bad answers, and what a click where they point wins.

AUROC for "Dice below 0.8" of each sign and of their fitted sum, over objects that a fit had not seen; and the Dice that
is won by a click at the proposed place, at the middle of the largest true error, and at random places of the edge. The
worth that decides whether a server shows a warning is computed by the very code that computes it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array
from sam_infer.prompts.object_prompts import BACKGROUND, FOREGROUND
from sam_infer.propagation.step import deepest
from sam_infer.uncertainty.advice import SIGNS, Advisor
from sam_infer.uncertainty.warning_skill import auroc, interval, unseen_risk
from sam_trainer.bench.exam import Asked, Exam
from sam_trainer.judging.advice import BOX, CLICK, AdvisedAnswer, asked, judged, worth
from sam_trainer.measures.overlap import dice
from sam_trainer.reports.table import ALL, Observation, Row, mean_over_sources, table

FITTED = "fitted"
MARKED, WORST, ANYWHERE = "marked", "largest error", "edge at random"


def measure(exam: Exam, clicks: bool = True) -> list[Observation]:
    """Signs and Dice of every object by each way to begin; with `clicks` also what another click wins."""
    return exam.each("advice", lambda one: _object(one, exam.seed, clicks))


def _object(one: Asked, seed: int, clicks: bool) -> Iterator[Observation]:
    for style in (BOX, CLICK):
        advisor = asked(one.predictor, one.volume, one.target, style, seed)
        seen = judged(advisor, one.target, style)
        signs = {name: float(value) for name, value in zip(SIGNS, seen.signs, strict=True)}
        yield one.observe({"style": style, "kind": "signs"}, {"dice": seen.dice, **signs})
        if clicks:
            won = _won(one, advisor, seed)
            yield one.observe({"style": style, "kind": "next click"}, won)


def _won(one: Asked, advisor: Advisor, seed: int) -> dict[str, float]:
    """Dice that one more click wins, by where it is put; its sign is always the true one."""
    answer, truth = advisor.answer.pixels, one.target.mask
    before = dice(answer, truth)
    edge = np.argwhere(ndimage.binary_dilation(truth) & ~ndimage.binary_erosion(truth))
    anywhere = edge[one.rng(seed).integers(len(edge))]
    place, wrong = advisor.next_click(), answer ^ truth
    at = {MARKED: place.at if place is not None else None, ANYWHERE: tuple(anywhere), WORST: _middle(wrong)}
    return {where: _after(one, advisor, spot) - before for where, spot in at.items()}


def _middle(wrong: BoolArray) -> tuple[int, int] | None:
    """The middle of the largest error (H, W)."""
    numbered, count = ndimage.label(wrong)
    if not count:
        return None
    largest = int(np.bincount(numbered.ravel())[1:].argmax()) + 1
    row, column = deepest(numbered == largest)[0]
    return int(row), int(column)


def _after(one: Asked, advisor: Advisor, at: Sequence[int] | None) -> float:
    """Dice after a click there; where nothing is clicked, of the answer as it is."""
    view, truth = one.target.view, one.target.mask
    if at is None:
        return dice(advisor.answer.pixels, truth)
    side = FOREGROUND if truth[at[0], at[1]] else BACKGROUND
    prompts = advisor.prompts.followed_by(view.to_stored([at]).astype(np.int64), np.array([side]))
    return dice(one.predictor.predict(one.volume, prompts, view.index, one.options).pixels, truth)


def rows_of(seen: Sequence[Observation], network: str, seed: int) -> Iterator[Row]:
    """AUROC of every sign by way to begin, the verdict, and what clicks win."""
    told = [one for one in seen if dict(one.keys)["kind"] == "signs" and one.headline]
    for style in (ALL, BOX, CLICK):
        mine = [_judged(one) for one in told if style in (ALL, dict(one.keys)["style"])]
        if mine:
            yield from _aurocs(mine, style, seed)
    found = worth([_judged(one) for one in told], network, "bench", seed)
    if found is not None:
        counted = {"n": found.answers, "bad": found.bad, "threshold": found.threshold}
        figures = {"auroc": found.auroc, "ci_low": found.low, "ci_high": found.high}
        yield {"kind": "verdict", "style": ALL, "sign": FITTED, **figures, **counted, "shown": found.proven}
    clicked = [one for one in seen if dict(one.keys)["kind"] == "next click" and one.headline]
    for style in (BOX, CLICK):
        yield from _wins([one for one in clicked if dict(one.keys)["style"] == style], style, seed)


def _aurocs(mine: Sequence[AdvisedAnswer], style: str, seed: int) -> Iterator[Row]:
    signs, bad = np.stack([one.signs for one in mine]), np.array([one.bad for one in mine])
    cases, begun_by = [one.case for one in mine], [one.style for one in mine]
    risks: dict[str, Float64Array] = {name: signs[:, n] for n, name in enumerate(SIGNS)}
    risks[FITTED] = unseen_risk(signs, bad, cases)
    for name, risk in risks.items():
        low, high = interval(risk, bad, cases, begun_by, seed)
        counted = {"n": len(mine), "bad": int(bad.sum()), "cases": len(set(cases))}
        figures = {"auroc": auroc(risk, bad, begun_by), "ci_low": low, "ci_high": high}
        yield {
            "kind": "auroc",
            "style": style,
            "sign": name,
            **{key: round(value, 4) for key, value in figures.items()},
            **counted,
        }


def _wins(clicked: Sequence[Observation], style: str, seed: int) -> Iterator[Row]:
    """Means over sources, and their intervals over cases."""
    for where in (MARKED, ANYWHERE, WORST):
        if not clicked:
            continue
        (row,) = (row for row in table(clicked, where, seed) if row["source"] == "mean")
        yield {
            "kind": "next click",
            "style": style,
            "where": where,
            "won": round(mean_over_sources(clicked, where), 4),
            "ci_low": row["ci_low"],
            "ci_high": row["ci_high"],
            "n": len(clicked),
        }


def _judged(one: Observation) -> AdvisedAnswer:
    signs = np.array([one.values[name] for name in SIGNS])
    return AdvisedAnswer(f"{one.source}/{one.case}", dict(one.keys)["style"], one.values["dice"], signs)
