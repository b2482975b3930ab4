"""One slice position of a cine as a volume to walk: where a run through time begins, and by whom it is walked."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import numpy as np

from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.end_rule import EndPolicy
from sam_infer.propagation.result import VolumePrediction
from sam_infer.propagation.slice_result import Patch, SliceAnswer
from sam_infer.propagation.walk import Answers, Walk


@dataclass(frozen=True, eq=False)
class Begun:
    """An engine's walk of which the first slice is answered already."""

    walk: Walk
    known: SliceAnswer

    def prompted(self, view: SliceView, said: Prompts) -> SliceAnswer:
        """What is known; the engine sees it too, for its window and its memory."""
        self.walk.prompted(view, said)
        return self.known

    def corrected(self, arrived: SliceAnswer, said: Prompts, near: Answers) -> SliceAnswer:
        """As the engine does it."""
        return self.walk.corrected(arrived, said, near)

    def run(
        self, start: SliceAnswer, stop: SliceAnswer | None, indices: range, policy: EndPolicy
    ) -> Iterator[SliceAnswer]:
        """As the engine does it."""
        return self.walk.run(start, stop, indices, policy)

    def run_key(self, start: SliceAnswer, stop: SliceAnswer | None) -> Hashable:
        """As the engine does it."""
        return self.walk.run_key(start, stop)

    def seconds_per_slice(self) -> float | None:
        """As the engine does it."""
        return self.walk.seconds_per_slice()


def known_answer(found: VolumePrediction, index: int, view: SliceView) -> SliceAnswer:
    """What is known of a slice, as the answer of its phase in the film."""
    here = SliceView.of(found.mask.geometry, found.axis, index).extract(found.mask.array) > 0
    answer = found.answers.get(index)
    runs, score = (answer.runs, answer.score) if answer is not None else ((), found.score)
    return SliceAnswer(view, Patch.of(here), runs, score)


def said_on_film(film: Volume, axis: int, phase: int, limit: Box | None, known: SliceAnswer) -> VolumePrompts:
    """What is known of one phase, as a mask to start from; the limit holds in all of them."""
    prior = Mask.empty(film.geometry)
    known.view.insert(prior.array, known.pixels.astype(np.uint8))
    if limit is not None:
        low, high = np.array(limit.low), np.array(limit.high)
        low[axis], high[axis] = 0, film.geometry.shape[axis] - 1
        limit = Box(low, high)
    return VolumePrompts(axis, {phase: Prompts(axis, mask=prior)}, {}, limit)
