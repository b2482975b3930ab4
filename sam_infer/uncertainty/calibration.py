"""Calibration per adapter: temperature scaling of probabilities, isotonic regression of predicted IoU, ECE.

Logits are divided by one temperature, which moves no edge: masks stay what they are. The IoU that the network predicts
of its answers becomes what such answers had (an isotonic fit: better stays better). The error of calibration (ECE) is
the mean distance between how sure the network was and how often it was right, over bins of equal width.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_infer.arrays import BoolArray, Float64Array
from sam_infer.errors import PromptError
from sam_infer.files import write_whole
from sam_infer.uncertainty.measures import sigmoid

BINS = 15

# Beyond these an optimum says that there was nothing to fit.
LOWEST, HIGHEST = 0.2, 10.0

# So many times the cases of a fit are worth another one.
ANEW = 2


# Answers without which nobody knows what a score is worth.
LEAST_ANSWERS = 10


@dataclass(frozen=True, eq=False)
class Said:
    """What a network said about objects whose label is known: pixels around their edges, and its own scores."""

    logits: Float64Array  # (N,)
    truth: BoolArray  # (N,)
    scores: Float64Array  # (M,) IoU that it predicted of its answers
    ious: Float64Array  # (M,) IoU that they had


@dataclass(frozen=True)
class Calibration:
    """The fits of one adapter, and what they did to cases that they were not fitted to."""

    temperature: float = 1.0
    cases: int = 0  # that it was fitted to
    held_out: int = 0
    ece_before: float | None = None
    ece_after: float | None = None
    brier_before: float | None = None
    brier_after: float | None = None
    scores: tuple[float, ...] = ()  # a predicted IoU is read off between these
    ious: tuple[float, ...] = ()  # and these; without any it is taken as it is
    iou_error_before: float | None = None  # mean distance of predicted and true IoU
    iou_error_after: float | None = None
    weights: str = ""  # hash of the network that it was fitted to; empty in files from before it was kept

    def fitting(self, weights: str) -> Calibration:
        """Itself for the network it was fitted to; for other weights there is none, until it is fitted again."""
        return self if self.weights in ("", weights) else UNCALIBRATED

    def quality(self, scores: Float64Array) -> Float64Array:
        """What predicted IoUs (n,) are worth."""
        return np.interp(scores, self.scores, self.ious) if self.scores else scores

    def outgrown_by(self, labels: int) -> bool:
        """Whether there are so many labels now that a new fit would say more."""
        return labels >= ANEW * (self.cases + self.held_out)

    def row(self) -> dict[str, float | int | None]:
        """The figures for a table, without the fit of the scores."""
        shown = {name: value for name, value in asdict(self).items() if not isinstance(value, tuple | str)}
        return {name: round(value, 4) if isinstance(value, float) else value for name, value in shown.items()}

    def write(self, path: Path) -> None:
        """Keep it; appears whole."""
        write_whole(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """What was kept; uncalibrated where nothing was, or it is damaged."""
        try:
            facts: dict[str, Any] = json.loads(path.read_text())
            return cls(**{**facts, "scores": tuple(facts.get("scores", ())), "ious": tuple(facts.get("ious", ()))})
        except (OSError, ValueError, TypeError):
            return cls()


UNCALIBRATED = Calibration()


def fitted_temperature(logits: Float64Array, truth: BoolArray) -> float:
    """The temperature with the highest likelihood of the truth; both (N,)."""
    if logits.shape != truth.shape or not len(logits):
        raise PromptError("a temperature needs as many labelled pixels as logits, and at least one", "labels")

    def loss(log_t: float) -> float:
        z = np.where(truth, logits, -logits) / np.exp(log_t)
        return float(np.logaddexp(0.0, -z).mean())

    bounds = (float(np.log(LOWEST)), float(np.log(HIGHEST)))
    from scipy.optimize import minimize_scalar  # here: no start needs it, and it takes a moment

    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def ece(probability: Float64Array, truth: BoolArray, bins: int = BINS) -> float:
    """Expected calibration error of foreground probabilities (N,)."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    sure = np.bincount(which, weights=probability, minlength=bins)
    right = np.bincount(which, weights=truth.astype(np.float64), minlength=bins)
    return float(np.abs(sure - right).sum() / max(int(counts.sum()), 1))


def brier(probability: Float64Array, truth: BoolArray) -> float:
    """Mean squared distance between probability and truth (N,)."""
    return float(np.mean((probability - truth) ** 2))


def fitted_quality(scores: Float64Array, ious: Float64Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Predicted and true IoU (m,) of a monotonous fit, where it bends; both (M,). Nothing where answers are few."""
    if len(scores) < LEAST_ANSWERS:
        return (), ()
    order = np.argsort(scores, kind="stable")
    from scipy.optimize import isotonic_regression

    fit = isotonic_regression(ious[order]).x
    steps = np.diff(fit) > 0
    bends = np.r_[True, steps] | np.r_[steps, True]
    said, had = ([round(float(v), 4) for v in values[bends]] for values in (scores[order], fit))
    return tuple(said), tuple(had)


def calibrated(fit: Said, held_out: Said | None, cases: tuple[int, int]) -> Calibration:
    """Fitted to what was said about some cases, judged on others; `cases` counts both.

    What makes the others less true is not used.
    """
    scores, ious = fitted_quality(fit.scores, fit.ious)
    found = Calibration(fitted_temperature(fit.logits, fit.truth), cases[0], scores=scores, ious=ious)
    if held_out is None:
        return found
    before, after = sigmoid(held_out.logits), sigmoid(held_out.logits / found.temperature)
    if ece(after, held_out.truth) > ece(before, held_out.truth):
        found, after = replace(found, temperature=1.0), before
    error, better = (
        float(np.abs(told - held_out.ious).mean()) for told in (held_out.scores, found.quality(held_out.scores))
    )
    if better > error:
        found, better = replace(found, scores=(), ious=()), error
    return replace(
        found,
        held_out=cases[1],
        ece_before=ece(before, held_out.truth),
        ece_after=ece(after, held_out.truth),
        brier_before=brier(before, held_out.truth),
        brier_after=brier(after, held_out.truth),
        iou_error_before=error,
        iou_error_after=better,
    )
