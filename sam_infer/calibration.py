"""Probabilities that mean what they say: one temperature per adapter, fitted on accepted labels.

Logits are divided by it, which moves no edge: masks stay what they are. The error of calibration (ECE) is the mean
distance between how sure the network was and how often it was right, over bins of equal width.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from sam_infer.errors import PromptError
from sam_infer.uncertainty import FloatArray, sigmoid

BINS = 15

# Beyond these an optimum says that there was nothing to fit.
LOWEST, HIGHEST = 0.2, 10.0

# So many times the cases of a fit are worth another one.
ANEW = 2


@dataclass(frozen=True)
class Calibration:
    """The temperature of one adapter, and what it did to pixels of cases that it was not fitted to."""

    temperature: float = 1.0
    cases: int = 0  # that it was fitted to
    held_out: int = 0
    ece_before: float | None = None
    ece_after: float | None = None
    brier_before: float | None = None
    brier_after: float | None = None

    def outgrown_by(self, labels: int) -> bool:
        """Whether there are so many labels now that a new fit would say more."""
        return labels >= ANEW * (self.cases + self.held_out)

    def write(self, path: Path) -> None:
        """Keep it; appears whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.write_text(json.dumps(asdict(self), indent=1) + "\n")
        part.replace(path)

    @classmethod
    def read(cls, path: Path) -> Calibration:
        """What was kept; uncalibrated where nothing was, or it is damaged."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return cls()


def fitted_temperature(logits: FloatArray, truth: npt.NDArray[np.bool_]) -> float:
    """The temperature with the highest likelihood of the truth; both (N,)."""
    if logits.shape != truth.shape or not len(logits):
        raise PromptError("a temperature needs as many labelled pixels as logits, and at least one", "labels")

    def loss(log_t: float) -> float:
        z = np.where(truth, logits, -logits) / np.exp(log_t)
        return float(np.logaddexp(0.0, -z).mean())

    bounds = (float(np.log(LOWEST)), float(np.log(HIGHEST)))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def ece(probability: FloatArray, truth: npt.NDArray[np.bool_], bins: int = BINS) -> float:
    """Expected calibration error of foreground probabilities (N,)."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    counts = np.bincount(which, minlength=bins)
    sure = np.bincount(which, weights=probability, minlength=bins)
    right = np.bincount(which, weights=truth.astype(np.float64), minlength=bins)
    return float(np.abs(sure - right).sum() / max(int(counts.sum()), 1))


def brier(probability: FloatArray, truth: npt.NDArray[np.bool_]) -> float:
    """Mean squared distance between probability and truth (N,)."""
    return float(np.mean((probability - truth) ** 2))


def calibrated(
    fit: tuple[FloatArray, npt.NDArray[np.bool_]],
    held_out: tuple[FloatArray, npt.NDArray[np.bool_]] | None,
    cases: tuple[int, int],
) -> Calibration:
    """Fitted to some pixels, judged on others; `cases` counts both. Logits, truth (N,).

    A temperature that makes the others' probabilities less true is not used.
    """
    temperature = fitted_temperature(*fit)
    if held_out is None:
        return Calibration(temperature, cases[0], 0)
    logits, truth = held_out
    before, after = sigmoid(logits), sigmoid(logits / temperature)
    if ece(after, truth) > ece(before, truth):
        temperature, after = 1.0, before
    return Calibration(temperature, *cases, ece(before, truth), ece(after, truth), brier(before, truth),
                       brier(after, truth))  # fmt: skip
