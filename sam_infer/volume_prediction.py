"""One object in 3D, with what is needed to answer a client and to settle conflicts with other objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sam_infer.geometry import Geometry
from sam_infer.scribble import SURELY_INSIDE, SURELY_OUTSIDE
from sam_infer.slice_answer import SliceAnswer
from sam_infer.volume import Mask
from sam_infer.volume_prompts import VolumePrompts


@dataclass(frozen=True, eq=False)
class VolumePrediction:
    """A mask (0 or 1) of the whole image and the answers it is made of, by slice."""

    mask: Mask
    axis: int
    answers: Mapping[int, SliceAnswer]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, geometry: Geometry, said: VolumePrompts, answers: Mapping[int, SliceAnswer], missed: Sequence[int] = ()
    ) -> VolumePrediction:
        """Answers per slice as one mask; `missed` corrections had nothing to correct."""
        mask = Mask.empty(geometry)
        for answer in answers.values():
            answer.view.insert(mask.array, answer.pixels.astype(np.uint8))
        _repaint(mask, said)
        notes = [f"nothing of the object reaches slice {k}: its background points were not used" for k in missed]
        found = {k for k in said.anchors if answers[k].patch.pixels.any()}
        notes += [f"nothing was found at the prompts of slice {k}" for k in sorted(set(said.anchors) - found)]
        if not mask.array.any():
            notes.append("the object was not found: the mask is empty")
        return cls(mask, said.axis, dict(sorted(answers.items())), tuple(notes))

    @property
    def slices(self) -> list[int]:
        """Where the object was found, sorted."""
        return [k for k, answer in self.answers.items() if answer.patch.pixels.any()]

    @property
    def score(self) -> float:
        """The network's mean opinion of its masks, weighted by their area; 0 for an empty one."""
        areas = {k: int(a.patch.pixels.sum()) for k, a in self.answers.items()}
        total = sum(areas.values())
        return sum(a.score * areas[k] for k, a in self.answers.items()) / total if total else 0.0


def _repaint(mask: Mask, said: VolumePrompts) -> None:
    """The reader's brush has the last word, on every slice it touched, inside the limit."""
    if said.painted is None:
        return
    place = tuple(slice(None) for _ in range(3))
    if said.limit is not None:
        place = tuple(slice(int(a), int(b) + 1) for a, b in zip(said.limit.low, said.limit.high, strict=True))
    stroke, part = said.painted.array[place], mask.array[place]
    part[stroke == SURELY_INSIDE] = 1
    part[stroke == SURELY_OUTSIDE] = 0
