"""Result of a 3D segmentation: the mask, and the answers per slice that settle overlaps with other objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask
from sam_infer.masks.cleanup3d import Consistency, consistent
from sam_infer.prompts.scribble import SURELY_INSIDE, SURELY_OUTSIDE
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.slice_result import SliceAnswer


@dataclass(frozen=True, eq=False)
class VolumePrediction:
    """A mask (0 or 1) of the whole image and the answers it is made of, by slice."""

    mask: Mask
    axis: int
    answers: Mapping[int, SliceAnswer]
    prompted: tuple[int, ...]  # slices with prompts that could be answered alone
    notes: tuple[str, ...] = ()
    whole: bool = True  # False: called off, and this is what was found until then

    @classmethod
    def of(
        cls,
        geometry: Geometry,
        said: VolumePrompts,
        answers: Mapping[int, SliceAnswer],
        wanted: Consistency,
        missed: Sequence[int] = (),
    ) -> VolumePrediction:
        """Answers per slice as one mask, made `wanted`; `missed` corrections had nothing to correct."""
        mask = Mask.empty(geometry)
        for answer in answers.values():
            answer.view.insert(mask.array, answer.pixels.astype(np.uint8))
        _improve(mask, said, wanted)
        _repaint(mask, said)
        notes = [f"nothing of the object reaches slice {k}: its background points were not used" for k in missed]
        asked = {*said.anchors, *(k for k, part in said.corrections.items() if len(part.positive) and k in answers)}
        found = {k for k in asked if answers[k].patch.pixels.any()}
        notes += [f"nothing was found at the prompts of slice {k}" for k in sorted(asked - found)]
        if not mask.array.any():
            notes.append("the object was not found: the mask is empty")
        return cls(mask, said.axis, dict(sorted(answers.items())), tuple(sorted(asked)), tuple(notes))

    @property
    def slices(self) -> list[int]:
        """Where the object was found, sorted."""
        return [k for k, answer in self.answers.items() if answer.patch.pixels.any()]

    def slices_of_mask(self) -> list[int]:
        """Where the final mask is not empty, brush strokes and smoothing included, sorted."""
        others = tuple(a for a in range(3) if a != self.axis)
        return [int(k) for k in np.flatnonzero(self.mask.array.any(axis=others))]

    @property
    def score(self) -> float:
        """The network's mean opinion of its masks, weighted by their area; 0 for an empty one."""
        areas = {k: int(a.patch.pixels.sum()) for k, a in self.answers.items()}
        total = sum(areas.values())
        return sum(a.score * areas[k] for k, a in self.answers.items()) / total if total else 0.0


def _improve(mask: Mask, said: VolumePrompts, wanted: Consistency) -> None:
    if wanted.is_off:
        return
    place = _limit(said)
    points = np.concatenate([part.positive for part in (*said.anchors.values(), *said.corrections.values())])
    better = consistent(mask.array > 0, mask.geometry, said.axis, wanted, points)
    mask.array[...] = 0
    mask.array[place] = better[place]


def _repaint(mask: Mask, said: VolumePrompts) -> None:
    """The reader's brush has the last word, on every slice it touched, inside the limit."""
    if said.painted is None:
        return
    place = _limit(said)
    stroke, part = said.painted.array[place], mask.array[place]
    part[stroke == SURELY_INSIDE] = 1
    part[stroke == SURELY_OUTSIDE] = 0


def _limit(said: VolumePrompts) -> tuple[slice, ...]:
    """Where the object may be, as slices of the stored array."""
    if said.limit is None:
        return (slice(None),) * 3
    return tuple(slice(int(low), int(high) + 1) for low, high in zip(said.limit.low, said.limit.high, strict=True))
