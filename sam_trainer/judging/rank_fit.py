"""Fits the ranker of first clicks to objects whose outline is known: on procedural scenes, and on accepted labels.

What is maximised is the Dice that a reader may expect when the candidate is drawn by the softmax of the ranker's sums:
a candidate that is as good as another is not taught to lose. Numbers are drawn to those that it starts from, so that a
few accepted cases move it little.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam_infer.arrays import Float64Array
from sam_infer.networks.backbone import Candidates
from sam_infer.slices.rank import AMBIGUOUS, Shown, features, unlikely_size
from sam_infer.weights.prompting import Ranker, Sizes

# What may be weighed. `log_mm2` says nothing without a label's sizes.
FEATURES = (
    "score",
    "score_above_1",
    "stability",
    "log_share",
    "log_share_2",
    "border",
    "candidate_0",
    "candidate_1",
    "missed",
    "off_centre",
    "in_pieces",
    "fills_box",
    "unlike_click",
    "contrast",
    "mixed",
    "unlikely_size",
)

# How strongly weights are held, in Dice per object: as strongly as so many objects pull.
HELD_BY_OBJECTS = 20.0
HOLD = 0.002

# A size that was seen once may be off by this factor, in the logarithm.
LEAST_DEVIATION = 0.35


@dataclass(frozen=True, eq=False)
class Offered:
    """The candidates of one click on a known object."""

    known: tuple[Mapping[str, float], ...]  # features of each
    dice: Float64Array  # (AMBIGUOUS,) with the object
    label: str = ""
    log_mm2: float = 0.0  # of the object

    @classmethod
    def of(cls, candidates: Candidates, shown: Shown, dice: Sequence[float], about: tuple[str, float]) -> Offered:
        """What a network offered for one click; `about` are the object's label and the logarithm of its mm2."""
        known = tuple(features(candidates.logits[n], float(candidates.scores[n]), n, shown) for n in range(AMBIGUOUS))
        return cls(known, np.asarray(dice, np.float64), *about)

    def with_sizes(self, sizes: Sizes | None) -> Offered:
        """The same where this is known of the label's sizes."""
        if sizes is None:
            return self
        known = tuple({**one, "unlikely_size": unlikely_size(one["log_mm2"], sizes)} for one in self.known)
        return replace(self, known=known)

    @property
    def matrix(self) -> Float64Array:
        """Features (AMBIGUOUS, len(FEATURES))."""
        return np.array([[one.get(name, 0.0) for name in FEATURES] for one in self.known])

    def own(self) -> int:
        """The network's own choice."""
        return int(np.argmax([one["raw_score"] for one in self.known]))


def fitted(offered: Sequence[Offered], start: Ranker | None = None) -> Ranker:
    """The ranker with the highest expected Dice over the objects, held to the one it starts from."""
    matrices, dice = np.stack([one.matrix for one in offered]), np.stack([one.dice for one in offered])
    known = start.weights if start is not None else {"score": 1.0}
    origin = np.array([known.get(name, 0.0) for name in FEATURES])
    hold = HOLD * HELD_BY_OBJECTS / len(offered) if start is not None else HOLD / 4

    def loss(weights: Float64Array) -> tuple[float, Float64Array]:
        sums = matrices @ weights
        chance = np.exp(sums - sums.max(axis=1, keepdims=True))
        chance /= chance.sum(axis=1, keepdims=True)
        expected = (chance * dice).sum(axis=1)
        pull = ((chance * (dice - expected[:, None]))[..., None] * matrices).sum(axis=1).mean(axis=0)
        away = weights - origin
        return float(hold * away @ away - expected.mean()), 2 * hold * away - pull

    from scipy.optimize import minimize  # here: no start needs it, and it takes a moment

    found = minimize(loss, origin, jac=True, method="L-BFGS-B").x
    weights = {name: round(float(value), 4) for name, value in zip(FEATURES, found, strict=True)}
    return replace(start or Ranker(), weights=weights)


def sizes_of(offered: Sequence[Offered]) -> dict[str, Sizes]:
    """How large the known objects of every label are."""
    by_label: dict[str, list[float]] = {}
    for one in offered:
        by_label.setdefault(one.label, []).append(one.log_mm2)
    return {
        label: Sizes(round(float(np.mean(found)), 4), round(max(float(np.std(found)), LEAST_DEVIATION), 4), len(found))
        for label, found in sorted(by_label.items())
    }


def mean_dice(offered: Sequence[Offered], ranker: Ranker | None) -> float:
    """The mean Dice of what is shown; without a ranker of the network's own choice."""
    weights = np.array([ranker.weights.get(name, 0.0) for name in FEATURES]) if ranker is not None else None
    chosen = [one.own() if weights is None else int((one.matrix @ weights).argmax()) for one in offered]
    return float(np.mean([one.dice[n] for one, n in zip(offered, chosen, strict=True)]))
