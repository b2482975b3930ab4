"""One stream under one condition: a case is asked first, of the network alone and with what was learned; then taught.

What is measured on an object is the first answer to a click, and the corrections until Dice is good enough. No label
is seen before its own case has been asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sam_infer.imaging.volume import Volume
from sam_infer.slices.predictor import Options, Prediction, Predictor
from sam_infer.slices.refiner import ALONE
from sam_trainer.bench.stream.occasions import Opened, Stream, redrawn
from sam_trainer.measures.overlap import dice
from sam_trainer.online.learner import Correction, Learner
from sam_trainer.online.refining import Answering, Refining
from sam_trainer.online.teaching import TaughtObject, first_click, sample_of
from sam_trainer.simulation.clicks import Click, correction_click
from sam_trainer.simulation.reader import GOOD_ENOUGH, MOST_CLICKS
from sam_trainer.simulation.session import as_prompts

NETWORK, FUSED, AUXILIARY = "alone", "fused", "auxiliary"

EFFORTS = "effort"  # what the network alone costs is the same under all conditions


@dataclass(frozen=True)
class Condition:
    """How much the learner is told: every how-manieth case, and how carelessly its labels are drawn."""

    every: int = 1
    noisy: bool = False

    @property
    def name(self) -> str:
        """As rows have it."""
        return f"1/{self.every}{' noisy' if self.noisy else ''}"


CONDITIONS = (Condition(), Condition(2), Condition(4), Condition(noisy=True))


@dataclass(frozen=True)
class ObjectEffort:
    """What one object cost."""

    dice: float  # of the first answer
    clicks: int  # corrections after the first click
    surface: bytes = b""  # of the first answer's logits, to tell whether two are the same


@dataclass(eq=False)
class OneStream:
    """A stream under way; `known` keeps the network's own efforts between conditions."""

    predictor: Predictor
    stream: Stream
    condition: Condition
    seed: int = 0
    known: dict[str, ObjectEffort] = field(default_factory=dict)
    poisoned: Callable[[int, TaughtObject], TaughtObject] = lambda _, one: one  # what a test puts in a label's place
    learners: dict[str, Learner] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One per object, in time order, as JSON keeps them."""
        return [row for number, one in enumerate(self.stream.occasions) for row in self._case(number, one.open())]

    def _case(self, number: int, opened: Opened) -> Iterator[dict[str, Any]]:
        volume, objects = opened
        for place, one in enumerate(objects):
            yield self._asked(number, place, volume, one)
        if number % self.condition.every:
            return
        rng = np.random.default_rng((self.seed, number))
        found: dict[str, list[Correction]] = {}
        for one in (self.poisoned(number, one) for one in objects):
            truth = redrawn(one.truth, rng) if self.condition.noisy else one.truth
            sample = self._sample(number, volume, replace(one, truth=truth))
            found.setdefault(one.label, []).extend([sample] if sample is not None else [])
        for label, samples in found.items():
            self.learners.setdefault(label, Learner()).accept(samples)

    def _asked(self, number: int, place: int, volume: Volume, one: TaughtObject) -> dict[str, Any]:
        """The efforts of one object; where nothing is laid over, the network's count for all."""
        occasion, learner = self.stream.occasions[number], self.learners.get(one.label)
        key = f"{occasion.name}/{place}"
        if key not in self.known:
            self.known[key] = self._effort(self.predictor, volume, one)
        alone = self.known[key]
        share = ALONE if learner is None else learner.share
        fused, auxiliary = alone, alone.dice
        if learner is not None:
            now = Answering.of(learner)
            fused = self._effort(self._with(now, one.label), volume, one) if share != ALONE else alone
            by_itself = self._with(replace(now, share=0.0), one.label)
            auxiliary = dice(self._first(by_itself, volume, one).pixels, one.truth)
        return {
            "case": occasion.name,
            "label": one.label,
            "number": 0 if learner is None else learner.taught,
            "share": share,
            "same": fused.surface == alone.surface,
            "dice": {NETWORK: alone.dice, FUSED: fused.dice, AUXILIARY: auxiliary},
            "clicks": {NETWORK: alone.clicks, FUSED: fused.clicks},
        }

    def _with(self, now: Answering, label: str) -> Predictor:
        return replace(self.predictor, refiner=Refining({label: now}))

    def _first(self, predictor: Predictor, volume: Volume, one: TaughtObject) -> Prediction:
        prompts = first_click(one.truth, one.view)
        return predictor.predict(volume, prompts, one.view.index, Options(label=one.label))

    def _effort(self, predictor: Predictor, volume: Volume, one: TaughtObject) -> ObjectEffort:
        """Clicks on the largest error until the outline is good enough."""
        first, made = b"", list[Click]()
        marks: list[float] = []
        mask = np.zeros_like(one.truth)
        while len(made) < MOST_CLICKS and (not marks or marks[-1] < GOOD_ENOUGH):
            click = correction_click(mask.astype(np.uint8), one.truth.astype(np.uint8))
            if click is None:
                break
            made.append(click)
            prompts = as_prompts(made).on(one.view)
            seen = predictor.predict(volume, prompts, one.view.index, Options(label=one.label))
            mask, first = seen.pixels, first or seen.logits.tobytes()
            marks.append(dice(mask, one.truth))
        return ObjectEffort(marks[0], len(made) - 1, first)

    def _sample(self, number: int, volume: Volume, one: TaughtObject) -> Correction | None:
        seen = self._first(self.predictor, volume, one)
        return sample_of(seen, one.truth, volume, self.stream.occasions[number].name, number + 1)
