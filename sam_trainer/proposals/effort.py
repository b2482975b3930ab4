"""Clicks that a proposal leaves: corrected as a simulated reader corrects, the proposal being the first answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.slices.predictor import Predictor
from sam_trainer.measures.overlap import dice
from sam_trainer.simulation.clicks import Click, correction_click
from sam_trainer.simulation.reader import GOOD_ENOUGH, MOST_CLICKS
from sam_trainer.simulation.session import as_prompts

# A reader drops a proposal that is mostly wrong, which is one key and no click, and begins anew: below this Dice.
DROPPED_BELOW = 0.5


@dataclass(frozen=True)
class ClicksLeft:
    """What is left to do on one slice."""

    clicks: int  # `MOST_CLICKS` where that many were not enough
    reached: bool


@dataclass(frozen=True, eq=False)
class Mending:
    """A reader who mends answers about one label on one slice until Dice is `goal`."""

    predictor: Predictor
    volume: Volume
    view: SliceView
    truth: BoolArray  # (H, W)
    goal: float = GOOD_ENOUGH
    most: int = MOST_CLICKS

    def after(self, proposal: BoolArray) -> ClicksLeft:
        """Clicks after a proposal (H, W); where it is empty or mostly wrong, a reader begins from nothing."""
        kept = proposal if dice(proposal, self.truth) >= DROPPED_BELOW else np.zeros_like(proposal)
        mask, made = kept, list[Click]()
        prior = self._prior(kept)
        while dice(mask, self.truth) < self.goal:
            click = correction_click(mask.astype(np.uint8), self.truth.astype(np.uint8))
            if click is None or len(made) == self.most:
                return ClicksLeft(self.most, False)
            made.append(click)
            prompts = replace(as_prompts(made).on(self.view), mask=prior)
            mask = self.predictor.predict(self.volume, prompts, self.view.index).pixels
        return ClicksLeft(len(made), True)

    def _prior(self, proposal: BoolArray) -> Mask | None:
        if not proposal.any():
            return None
        prior = Mask.empty(self.volume.geometry)
        self.view.insert(prior.array, proposal.astype(np.uint8))
        return prior
