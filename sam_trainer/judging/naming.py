"""Which of two networks names labels without a prompt: the semantic head or the U-Net that trained beside it.

The gate's own measure decides, on cases that neither learned from: the U-Net serves if its mean Dice is better by the
least gain of the policy, else the head does, which costs nothing where the slice was encoded for clicks anyway. Neither
serves yet, so no certainty is asked for; whether the better of the two may serve at all is the verdict's matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sam_infer.adapters.adapter import NAMED_BY, NAMED_WHY
from sam_infer.networks.naming.semantic_head import SEMANTIC
from sam_infer.networks.naming.unet import UNET
from sam_trainer.judging.gate import SemanticScore, interval
from sam_trainer.judging.policy import GatePolicy
from sam_trainer.judging.semantic_score import mean_dice

UNCOMPARED = "the semantic head: no case was left to compare it with the U-Net that trained beside it"
CALLED_OFF = "the semantic head: the training ended before it was compared with the U-Net beside it"


@dataclass(frozen=True)
class Naming:
    """Which one serves, why, and what both did."""

    by: str  # SEMANTIC or UNET: the kind of its tensors
    why: str
    figures: dict[str, float]  # mean Dice of both, and the interval of the difference

    @property
    def metrics(self) -> dict[str, Any]:
        """For the adapter's provenance."""
        return {NAMED_BY: self.by, NAMED_WHY: self.why, **self.figures}


def unjudged(why: str) -> Naming:
    """The head, where nothing could be compared."""
    return Naming(SEMANTIC, why, {})


def better_namer(head: Sequence[SemanticScore], unet: Sequence[SemanticScore], policy: GatePolicy, part: str) -> Naming:
    """The better one of both on the same cases; `part` says which of the round's these are."""
    theirs = {(score.case, score.label): score.dice for score in unet}
    if not head or {(score.case, score.label) for score in head} != theirs.keys():
        return unjudged(UNCOMPARED)
    gain = interval([(score.case, theirs[score.case, score.label] - score.dice) for score in head])
    by = UNET if gain.mean >= policy.least_gain else SEMANTIC
    mine, other = mean_dice(head), mean_dice(unet)
    names = {SEMANTIC: "the semantic head", UNET: "the U-Net that trained beside the semantic head"}
    first, second = (other, mine) if by == UNET else (mine, other)
    cases = len({score.case for score in head})
    why = (
        f"{names[by]}: Dice {first:.3f} without a prompt, {second:.3f} of the other one, on {cases} "
        f"{part.replace('_', '-')} case{'s' if cases != 1 else ''} (U-Net less head {gain.mean:+.3f}, "
        f"from {gain.low:+.3f} to {gain.high:+.3f})"
    )
    figures = {"head_dice": mine, "unet_dice": other, "unet_gain_low": gain.low, "unet_gain_high": gain.high}
    return Naming(by, why, {name: round(value, 5) for name, value in figures.items()})
