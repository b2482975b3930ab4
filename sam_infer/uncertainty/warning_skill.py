"""Skill of a warning (AUROC): how well it told bad answers from good ones on accepted cases, and whether it is shown.

A warning that cries wolf costs more attention than it saves. It is shown where it has proven itself on the cases of the
same studies with the same network: AUROC for "Dice below 0.8" above 0.7, with an interval that leaves chance out. The
weights of its signs are fitted to those cases; AUROC is of cases that a fit had not seen, and of pairs that were begun
in the same way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sam_infer.arrays import BoolArray, Float64Array
from sam_infer.files import write_whole

# An answer below is one that a reader wants to hear about.
GOOD_DICE = 0.8

# What a warning must reach: its AUROC, the lower end of its interval, and on how many good and bad answers.
LEAST_AUROC, CHANCE, FEWEST = 0.7, 0.5, 5

# Of the fit: how strongly weights are held near zero, and steps until it has settled.
RIDGE, STEPS = 1.0, 25

RESAMPLES, INTERVAL = 1000, (2.5, 97.5)


@dataclass(frozen=True)
class Risk:
    """A logistic function of the signs: how likely an answer is bad."""

    weights: tuple[float, ...]  # the first one stands alone
    middle: tuple[float, ...]  # signs are centred and scaled
    scale: tuple[float, ...]

    def of(self, signs: Float64Array) -> Float64Array:
        """The risk of answers with these signs (..., n)."""
        z = (signs - np.array(self.middle)) / np.array(self.scale)
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(self.weights[0] + z @ np.array(self.weights[1:]), -50, 50))))

    @classmethod
    def fitted(cls, signs: Float64Array, bad: BoolArray) -> Risk:
        """To answers (N, n) of which some are bad (N,), by Newton's method with a ridge."""
        middle, scale = signs.mean(axis=0), np.maximum(signs.std(axis=0), 1e-6)
        x = np.column_stack([np.ones(len(signs)), (signs - middle) / scale])
        held = np.diag([1e-6] + [RIDGE] * signs.shape[1])
        weights = np.zeros(x.shape[1])
        for _ in range(STEPS):
            p = 1.0 / (1.0 + np.exp(-np.clip(x @ weights, -50, 50)))
            slope = x.T @ (p - bad) + held @ weights
            weights = weights - np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + held, slope)
        return cls(*(tuple(round(float(v), 6) for v in values) for values in (weights, middle, scale)))


@dataclass(frozen=True)
class WarningSkill:
    """What was found out about the warnings of one network on some accepted cases."""

    network: str  # hash of its weights, with the adapter's
    labels: str  # which accepted labels these were
    risk: Risk
    threshold: float  # of the risk, from which on a sentence is said
    auroc: float
    low: float
    high: float
    answers: int
    bad: int

    @property
    def proven(self) -> bool:
        """Whether it is shown."""
        enough = min(self.bad, self.answers - self.bad) >= FEWEST
        return enough and self.auroc > LEAST_AUROC and self.low > CHANCE

    @property
    def sentence(self) -> str:
        """For people."""
        told = f"AUROC {self.auroc:.2f} ({self.low:.2f} to {self.high:.2f}) on {self.answers} answers, {self.bad} bad"
        return f"warnings are {'shown' if self.proven else 'not shown'}: {told}"

    def write(self, file: Path) -> None:
        """Keep it; appears whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> WarningSkill | None:
        """What was kept; None where nothing was, or it is damaged."""
        try:
            facts = json.loads(file.read_text())
            risk = Risk(**{name: tuple(values) for name, values in facts.pop("risk").items()})
            return cls(risk=risk, **facts)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


def auroc(risk: Float64Array, bad: BoolArray, begun: Sequence[str] = ()) -> float:
    """How often a bad answer has the higher risk of a pair; ties count half, and without a pair it is a coin.

    `begun` says how each was begun: pairs are of one kind then, for that a point says less than a box is no skill.
    """
    kinds = np.array(begun) if len(begun) else np.zeros(len(bad))
    won = pairs = 0.0
    for kind in np.unique(kinds):
        mine = kinds == kind
        better, worse = np.sort(risk[mine & ~bad]), risk[mine & bad]
        below = np.searchsorted(better, worse, side="left")
        same = np.searchsorted(better, worse, side="right") - below
        won += float((below + same / 2).sum())
        pairs += len(better) * len(worse)
    return won / pairs if pairs else 0.5


def interval(
    risk: Float64Array, bad: BoolArray, cases: Sequence[str], begun: Sequence[str] = (), seed: int = 0
) -> tuple[float, float]:
    """95 % of AUROC when whole cases are drawn again."""
    groups = [np.flatnonzero(np.array(cases) == case) for case in dict.fromkeys(cases)]
    rng, kinds = np.random.default_rng(seed), np.array(begun if len(begun) else [""] * len(bad))
    drawn = []
    for _ in range(RESAMPLES):
        picks = np.concatenate([groups[n] for n in rng.integers(0, len(groups), len(groups))])
        if bad[picks].any() and not bad[picks].all():
            drawn.append(auroc(risk[picks], bad[picks], kinds[picks].tolist()))
    if not drawn:
        return 0.0, 1.0
    low, high = np.percentile(drawn, INTERVAL)
    return float(low), float(high)


def threshold_of(risk: Float64Array, bad: BoolArray) -> float:
    """The risk from which on most of what is told is bad and most of what is bad is told (Youden's index)."""
    found, best = 1.0, 0.0
    for level in np.unique(risk):
        told = risk >= level
        index = float(told[bad].mean() - told[~bad].mean()) if bad.any() and not bad.all() else 0.0
        if index > best:
            found, best = float(level), index
    return found


def unseen_risk(signs: Float64Array, bad: BoolArray, cases: Sequence[str]) -> Float64Array:
    """The risk of every answer by a fit to the other cases."""
    found, names = np.full(len(bad), float(bad.mean())), np.array(cases)
    for case in dict.fromkeys(cases):
        mine = names == case
        if bad[~mine].any() and not bad[~mine].all():
            found[mine] = Risk.fitted(signs[~mine], bad[~mine]).of(signs[mine])
    return found
