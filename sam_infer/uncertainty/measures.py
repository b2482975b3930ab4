"""Uncertainty measures of one object: entropy, mutual information, disagreement of several answers. Pure functions.

Every measure is a map of [0, 1] and one number; 0 is sure. SAM has no dropout, so nothing here samples weights: the
looks come from its own candidates, from disturbed prompts, from changed pictures, or from earlier adapters.

    multimask     mutual information of the candidates, weighed by their predicted IoU
    iou_head      one minus the predicted IoU of the answer
    stability     how much of the mask hangs on the threshold
    prompts       entropy of the mean over disturbed boxes and points (arXiv 2307.04973)
    views         the same over flips and grey curves
    adapters      mutual information of the last promoted adapters (BALD), at least two
    semantic      entropy of the prompt-free head, where the adapter has one
    agreement     one minus the mean overlap of all these looks with the drawn mask
    expectation   one minus the overlap of the mask with where accepted cases expect the label
    size          how far its size is from accepted ones
    probability   one minus the Dice to expect if the network's probabilities are right
    combined      the mean of expectation, size and probability; where nothing was accepted, of
                  iou_head, stability and agreement

A network may be sure of a mask that is of something else: only what accepted cases say tells that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array
from sam_infer.errors import PromptError

# Around a mask, as far as an edge may be wrong before it is another object.
REGION_MM = 3.0

# How strongly a candidate's predicted IoU decides what it weighs.
SHARPNESS = 0.1

PROMPTS, VIEWS, ADAPTERS, SEMANTIC = "prompts", "views", "adapters", "semantic"


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was said about one object on one slice; maps are (l, l) in one frame of the slice."""

    logits: Float64Array  # (M, l, l) of the candidates, divided by the temperature
    scores: Float64Array  # (M,) their predicted IoU
    preferred: int
    drawn: Float64Array  # (l, l) share of each pixel that the mask in question covers
    pixel_mm: float
    looks: Mapping[str, Float64Array] = field(default_factory=dict)  # kind to probabilities (n, l, l)
    overlap: float | None = None  # of the mask with where accepted cases expect the label, 0 to 1
    size_off: float | None = None  # of the label from accepted sizes, in standard deviations

    @property
    def probability(self) -> Float64Array:
        """The network's own answer (l, l)."""
        return sigmoid(self.logits[self.preferred])

    @property
    def region(self) -> BoolArray:
        """The mask and its surroundings (l, l); doubt elsewhere is about something else."""
        inside = self.drawn > 0.5
        if not inside.any():
            inside = self.drawn >= self.drawn.max()
        return near(inside, REGION_MM / self.pixel_mm)


@dataclass(frozen=True, eq=False)
class Doubt:
    """One measure of one object: where, and how much altogether."""

    map: Float64Array  # (l, l)
    value: float


def sigmoid(logits: npt.NDArray[Any]) -> Float64Array:
    """Logits to probabilities."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -50, 50))), np.float64)


def entropy(probability: Float64Array) -> Float64Array:
    """Binary entropy in bits: 0 is sure, 1 is a coin."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    return np.asarray(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)))


def mutual_information(probabilities: Float64Array, weights: Float64Array | None = None) -> Float64Array:
    """What looks (n, ...) disagree about: the entropy of their mean less the mean of their entropies."""
    mean = np.average(probabilities, axis=0, weights=weights)
    return np.clip(entropy(mean) - np.average(entropy(probabilities), axis=0, weights=weights), 0.0, 1.0)


def soft_dice(first: Float64Array, second: Float64Array) -> float:
    """Overlap of two maps of [0, 1]; two empty ones agree."""
    total = float((first**2).sum() + (second**2).sum())
    return 2.0 * float((first * second).sum()) / total if total > 1e-9 else 1.0


def near(mask: BoolArray, reach: float) -> BoolArray:
    """A mask (l, l) and everything within `reach` pixels of it."""
    return np.asarray(ndimage.distance_transform_edt(~mask) <= max(reach, 1.0)) if mask.any() else mask


def multimask(evidence: Evidence) -> Doubt:
    """Candidates that disagree: part, whole, or more."""
    weights = np.exp((evidence.scores - evidence.scores.max()) / SHARPNESS)
    shown = sigmoid(evidence.logits)
    return _over(mutual_information(shown, weights), evidence)


def iou_head(evidence: Evidence) -> Doubt:
    """The network's own opinion of its answer, everywhere the same."""
    value = 1.0 - float(np.clip(evidence.scores[evidence.preferred], 0.0, 1.0))
    return _everywhere(value, evidence)


def stability(evidence: Evidence) -> Doubt:
    """Pixels that change sides when the threshold moves by a logit, as a share of the mask."""
    logits = evidence.logits[evidence.preferred]
    wide, narrow = logits > -1.0, logits > 1.0
    value = 1.0 - float(narrow.sum() / wide.sum()) if wide.any() else 1.0
    return Doubt((wide & ~narrow).astype(np.float64), value)


def prompts(evidence: Evidence) -> Doubt:
    """Other boxes, other masks."""
    return _over(entropy(_looks(evidence, PROMPTS).mean(axis=0)), evidence)


def views(evidence: Evidence) -> Doubt:
    """Other pictures of the same slice, other masks."""
    return _over(entropy(_looks(evidence, VIEWS).mean(axis=0)), evidence)


def adapters(evidence: Evidence) -> Doubt:
    """What the last adapters disagree about, each being sure."""
    return _over(mutual_information(_looks(evidence, ADAPTERS)), evidence)


def semantic(evidence: Evidence) -> Doubt:
    """What the head that needs no prompt is unsure of."""
    return _over(entropy(_looks(evidence, SEMANTIC).mean(axis=0)), evidence)


def agreement(evidence: Evidence) -> Doubt:
    """All looks beside the mask in question."""
    all_looks = np.concatenate([evidence.probability[None], *evidence.looks.values()])
    value = 1.0 - float(np.mean([soft_dice(look, evidence.drawn) for look in all_looks]))
    return Doubt(entropy(np.concatenate([all_looks, evidence.drawn[None]]).mean(axis=0)), value)


def expectation(evidence: Evidence) -> Doubt:
    """A mask where nobody would expect it; everywhere the same."""
    if evidence.overlap is None:
        raise PromptError("there is no accepted case that says where the label should be", "method")
    return _everywhere(1.0 - evidence.overlap, evidence)


def size(evidence: Evidence) -> Doubt:
    """A label much larger or smaller than accepted ones; everywhere the same."""
    if evidence.size_off is None:
        raise PromptError("there is no accepted case that says how large the label should be", "method")
    return _everywhere(evidence.size_off / (1.0 + evidence.size_off), evidence)


def probability(evidence: Evidence) -> Doubt:
    """A mask of pixels that the network itself would not bet on; everywhere the same."""
    return _everywhere(1.0 - expected_dice(evidence), evidence)


def combined(evidence: Evidence) -> Doubt:
    """Views of the matter that err differently."""
    if evidence.overlap is None or evidence.size_off is None:
        values = [measure(evidence).value for measure in (iou_head, stability, agreement)]
    else:
        values = [measure(evidence).value for measure in (expectation, size, probability)]
    return Doubt(agreement(evidence).map, float(np.mean(values)))


def expected_dice(evidence: Evidence) -> float:
    """The Dice of the mask in question if the network's probabilities are right."""
    inside, p = evidence.drawn > 0.5, evidence.probability
    total = float(inside.sum() + p[evidence.region].sum())
    return 2.0 * float(p[inside].sum()) / total if total else 0.0


MEASURES: Mapping[str, Callable[[Evidence], Doubt]] = {
    "multimask": multimask,
    "iou_head": iou_head,
    "stability": stability,
    "prompts": prompts,
    "views": views,
    "adapters": adapters,
    "semantic": semantic,
    "agreement": agreement,
    "expectation": expectation,
    "size": size,
    "probability": probability,
    "combined": combined,
}
DEFAULT = "combined"


def _over(doubt: Float64Array, evidence: Evidence) -> Doubt:
    """A map and its mean over the region: neither air nor the size of the object changes it."""
    return Doubt(doubt, float(doubt[evidence.region].mean()))


def _everywhere(value: float, evidence: Evidence) -> Doubt:
    return Doubt(np.where(evidence.region, value, 0.0), value)


def _looks(evidence: Evidence, kind: str) -> Float64Array:
    found = evidence.looks.get(kind)
    if found is None or not len(found):
        raise PromptError(f"there are no looks of kind {kind!r} to compare", "method")
    return found
