"""Answers of learners as they are now: laid over the network's, label by label."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass

from sam_infer.arrays import Float32Array, UInt8Array
from sam_infer.slices.refiner import ALONE
from sam_trainer.online.crop import cut
from sam_trainer.online.fusion import fused
from sam_trainer.online.learner import Learner, said
from sam_trainer.online.network import AuxNet


@dataclass(frozen=True, eq=False)
class Answering:
    """A learner at one moment: what it says does not change while it learns on."""

    network: AuxNet
    share: float  # of SAM's logits
    labels: int  # that were learned

    @classmethod
    def of(cls, learner: Learner) -> Answering:
        """A learner as it is now."""
        return cls(learner.frozen(), learner.share, learner.taught)


@dataclass(frozen=True, eq=False)
class Refining:
    """The `Refiner` of some labels."""

    learned: Mapping[str, Answering]

    @property
    def key(self) -> Hashable:
        """Which networks say something."""
        return tuple(sorted((label, id(one)) for label, one in self.learned.items()))

    def share(self, label: str) -> float:
        """How much of the network's logits stays."""
        one = self.learned.get(label)
        return ALONE if one is None else one.share

    def refine(self, label: str, shown: UInt8Array, logits: Float32Array) -> Float32Array:
        """Logits (H, W) of both together; beyond the learner's square the network's."""
        one = self.learned.get(label)
        seen = cut(shown, logits) if one is not None and one.share != ALONE else None
        if one is None or seen is None:
            return logits
        learned = said(one.network, seen.picture, seen.logits)
        return seen.paste(fused(seen.logits, learned, one.share), logits)
