"""Prompt Once: an object that was accepted in one case is found in another, without a prompt on it.

The case is laid over the volume, and where its label falls the network is asked on a few slices. From those where it
agrees best with what is expected the object is followed, as from a reader's prompts. How well the whole agrees with the
warped label, and how sure the network is of it, says whether somebody must look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.automatic.atlas import warped_labels
from sam_infer.automatic.example import AcceptedCase, others
from sam_infer.automatic.label_search import FEWEST_PIXELS, LabelSearch
from sam_infer.errors import PromptError
from sam_infer.imaging.volume import Mask
from sam_infer.masks.overlap import overlap
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.options import VolumeOptions
from sam_infer.propagation.result import VolumePrediction

# Where along the warped label the network is asked, and from how many of these slices the object is followed.
SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)
STARTS = 2

# Below this confidence a reader should look.
LOOK_BELOW = 0.7


@dataclass(frozen=True, eq=False)
class SeededObject:
    """One object in 3D, and how far it is where another case has it."""

    object: VolumePrediction
    warped: Mask  # 0 or 1: the other case's label, laid over this volume
    agreement: float  # Dice of both

    @property
    def confidence(self) -> float:
        """0..1: agreement with the warped label and the network's opinion, the geometric mean."""
        return float(np.sqrt(self.agreement * min(max(self.object.score, 0.0), 1.0)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know."""
        doubt = f"confidence {self.confidence:.2f}: look at this one" if self.confidence < LOOK_BELOW else ""
        return (*self.object.notes, *((doubt,) if doubt else ()))


def with_label(cases: Sequence[AcceptedCase], value: int, label: str) -> list[AcceptedCase]:
    """The cases that have a label, with nothing but it, as value 1."""
    having = [(case, case.labels.array == value) for case in cases]
    found = [
        AcceptedCase(case.volume, Mask(np.asfortranarray(there, np.uint8), case.labels.geometry))
        for case, there in having
        if there.any()
    ]
    if not found:
        raise PromptError(
            f"no accepted case that may seed this one has the label {label}: accept one first", "seed_from"
        )
    return found


def seeded_object(search: LabelSearch, cases: Sequence[AcceptedCase], options: VolumeOptions) -> SeededObject:
    """The object that the case most like this volume shows as value 1."""
    warped = warped_labels(search, others(search.volume, cases)[:1])
    starts = _starts(search, warped.array > 0, options)
    said = VolumePrompts(search.axis, starts, {}, search.limit)
    found = segment_object(search.predictor, search.volume, said, options, search.job)
    return SeededObject(found, warped, overlap(found.mask.array > 0, warped.array > 0))


def _starts(search: LabelSearch, expected: BoolArray, options: VolumeOptions) -> dict[int, Prompts]:
    """Prompts on the slices where the network's answer is surest and agrees best with what is expected."""
    others_of = tuple(a for a in range(3) if a != search.axis)
    shown = np.flatnonzero(expected.sum(axis=others_of) >= FEWEST_PIXELS)
    if not len(shown):
        raise PromptError("the label of the other case falls outside this image, or is too small here", "seed_from")
    prompts = {int(k): _prompts(search, expected, int(k)) for k in {shown[round(s * (len(shown) - 1))] for s in SHARES}}
    marks = {k: _mark(search, said, expected, k, options) for k, said in sorted(prompts.items())}
    best = sorted(marks, key=lambda k: (-marks[k], k))[:STARTS]
    return {k: prompts[k] for k in sorted(best)}


def _prompts(search: LabelSearch, expected: BoolArray, index: int) -> Prompts:
    """Box and mask of what is expected on a slice."""
    prior = Mask.empty(search.volume.geometry)
    view = search.view(index)
    view.insert(prior.array, (view.extract(expected) & search.allowed(view)).astype(np.uint8))
    voxels = np.argwhere(prior.array)
    if not len(voxels):
        raise PromptError("the label of the other case lies outside the roi", "roi")
    return Prompts(search.axis, box=Box.of(voxels.min(axis=0), voxels.max(axis=0)), mask=prior)


def _mark(search: LabelSearch, said: Prompts, expected: BoolArray, index: int, options: VolumeOptions) -> float:
    """Predicted IoU times IoU with what is expected."""
    search.job.expected(1)
    seen = search.job.slice(lambda: search.predictor.predict(search.volume, said, index, options.slice))
    prior = search.view(index).extract(expected)
    return seen.score * float((seen.pixels & prior).sum()) / max(int((seen.pixels | prior).sum()), 1)
