"""Advice about one answer: what hangs on the reader's hand, where, and which click would help most.

The prompt is moved a little each way and decoded again on the crop that the answer saw: no slice is encoded for it. How
much the answers differ says how far this one is to be trusted; where they differ is where a click decides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, Float64Array
from sam_infer.imaging.volume import Volume
from sam_infer.masks.overlap import overlap
from sam_infer.prompts.object_prompts import BACKGROUND, FOREGROUND, Prompts
from sam_infer.propagation.step import deepest
from sam_infer.slices.look import Clock, FrameAnswer, Look
from sam_infer.slices.predictor import Prediction, Predictor
from sam_infer.slices.rank import Ranking
from sam_infer.uncertainty.measures import sigmoid
from sam_infer.uncertainty.moved_prompts import Moved, moved_prompts

# What tells answers apart that need a look; `worth.py` weighs them.
SIGNS = ("change", "worst", "score", "stability", "boxless")

# Places that are asked about, of how likely an error at least, and in pixels.
PLACES, LIKELY, FEWEST = 3, 0.15, 4

# Less than that is no error that a click would be spent on.
NOTHING = 0.05

Runner = Callable[[Callable[[], Any]], Any]


@dataclass(frozen=True, eq=False)
class ClickPlace:
    """A pixel of the display where a click is expected to help."""

    at: tuple[int, int]  # row, column
    positive: bool  # a foreground point: the answer leaves the place out
    change: float  # of the answer, 1 - Dice, if it is clicked
    likely: float  # that it is wrong there

    @property
    def worth(self) -> float:
        """How much the click is expected to change for the better."""
        return self.change * self.likely


@dataclass(frozen=True, eq=False)
class Advisor:
    """One answer, and who gave it. `run` runs each decode, so that a server can let clicks go between them."""

    predictor: Predictor
    volume: Volume
    prompts: Prompts
    answer: Prediction
    label: str = ""
    run: Runner = lambda work: work()

    @cached_property
    def here(self) -> Prompts:
        """The hints of this slice."""
        return self.prompts.checked(self.volume.geometry).on_slice(self.answer.view.index)

    @cached_property
    def moved(self) -> tuple[tuple[Moved, FrameAnswer], ...]:
        """What is answered to the moved hints."""
        return tuple((one, self._ask(one.prompts)) for one in moved_prompts(self.here, self.answer.view))

    @cached_property
    def changes(self) -> tuple[float, ...]:
        """How far each of these answers is from the unmoved one: 1 - Dice."""
        if not self.moved:
            return ()
        base = _mask(self._ask(self.here))
        return tuple(1.0 - overlap(_mask(seen), base) for _, seen in self.moved)

    @property
    def signs(self) -> Float64Array:
        """What there is to tell a bad answer by, in the order of `SIGNS`, each larger where it is worse."""
        change, worst = (float(np.mean(self.changes)), max(self.changes)) if self.changes else (0.0, 0.0)
        boxless = float(self.here.box is None)  # of a box networks expect more than of a point, and are sure of both
        return np.array([change, worst, 1.0 - self.answer.score, 1.0 - self.answer.stability, boxless])

    @property
    def sentence(self) -> str:
        """What hangs most on the reader's hand."""
        if not self.changes:
            return ""
        number = int(np.argmax(self.changes))
        most, far = self.moved[number][0], f"{self.moved[number][0].mm:.1f}".removesuffix(".0")
        much = 100 * self.changes[number]
        return f"{most.what} matters: {far} mm further {most.way} changes the answer by {much:.0f} %"

    @property
    def edge(self) -> tuple[int, int] | None:
        """Where that is, as row and column."""
        if not self.changes:
            return None
        row, column = self.moved[int(np.argmax(self.changes))][0].at
        return round(float(row)), round(float(column))

    def wrong(self) -> Float64Array:
        """How likely each pixel (H, W) is not what the answer says it is."""
        view = self.answer.view
        seen = [sigmoid(self.answer.logits)]
        if self.moved:
            full = [one.logits(view) > 0 for _, one in self.moved]
            seen.append(np.mean(full, axis=0))
        inside = np.mean(seen, axis=0)
        return np.where(self.answer.pixels, 1.0 - inside, inside)

    def next_click(self) -> ClickPlace | None:
        """The place whose correction is expected to help most; None where nothing seems wrong."""
        return max(self.places(), key=lambda place: place.worth, default=None)

    def places(self) -> Iterator[ClickPlace]:
        """A few places that may be wrong, each asked with a point that says so."""
        wrong = self.wrong()
        if wrong.max() < NOTHING:
            return
        for region in _regions(wrong >= max(NOTHING, min(LIKELY, wrong.max() / 2)), self.answer.pixels, wrong):
            row, column = (int(n) for n in deepest(region)[0])
            positive = not self.answer.pixels[row, column]
            seen = self._ask(self._with_point((row, column), positive)).logits(self.answer.view) > 0
            likely = float(wrong[region].mean())
            yield ClickPlace((row, column), positive, 1.0 - overlap(seen, self.answer.pixels), likely)

    def _with_point(self, at: tuple[int, int], positive: bool) -> Prompts:
        point = self.answer.view.to_stored([at]).astype(np.int64)
        return self.here.followed_by(point, np.array([FOREGROUND if positive else BACKGROUND]))

    def _ask(self, prompts: Prompts) -> FrameAnswer:
        """A decode on the answer's own crop; what was answered to several hints is gone on from."""
        first = len(prompts.points) + (prompts.box is not None) <= 1 and prompts.mask is None
        prior = None if first else self.answer.logits
        crop, look = self.answer.frame.crop, self._look
        return self.run(partial(look.decode, crop, prompts, prior))

    @cached_property
    def _look(self) -> Look:
        network = self.predictor.backbone
        ranker = self.predictor.ranker or network.prompting.ranker
        ranking = Ranking(ranker, self.label) if ranker is not None else None
        encoded = partial(self.predictor.features, self.volume)
        return Look(network, encoded, self.volume, self.answer.view, self.answer.window, Clock(), ranking)


def _mask(seen: FrameAnswer) -> BoolArray:
    """A preferred answer in its own resolution: fine enough to compare answers of one frame."""
    return np.asarray(seen.candidates.logits[seen.candidates.preferred] > 0)


def _regions(suspect: BoolArray, inside: BoolArray, wrong: Float64Array) -> list[BoolArray]:
    """The pieces (H, W) with most error to expect, each wholly inside or outside of the answer."""
    found: list[tuple[float, BoolArray]] = []
    for side in (suspect & inside, suspect & ~inside):
        numbered, count = ndimage.label(side)
        masses = ndimage.sum_labels(wrong, numbered, range(1, count + 1)) if count else []
        sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
        for number in np.argsort(masses)[::-1][:PLACES]:
            if sizes[number] >= FEWEST:
                found.append((float(masses[number]), np.asarray(numbered == number + 1)))
    found.sort(key=lambda pair: pair[0], reverse=True)
    return [region for _, region in found[:PLACES]]
