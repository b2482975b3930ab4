"""Quarantine rules (label quality control): reasons to keep a label from teaching until a person looked at it.

The label itself is safe, and the reader's work is done: a doubt costs nobody anything but a look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.errors import VolumeError
from sam_infer.imaging.image_file import FLAT_SUFFIXES, read_geometry, read_image, read_mask, suffix_of
from sam_infer.imaging.volume import Mask
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case, slice_axis
from sam_trainer.labels.laterality import swapped
from sam_trainer.measures.overlap import dice

Box = tuple[slice, slice, slice]

OTHER_GEOMETRY, EMPTY, UNKNOWN_VALUE = "other_geometry", "empty", "unknown_value"
SWAPPED_SIDES, MISSING_SLICES, DISAGREEMENT = "left_right_swap", "missing_slices", "gross_disagreement"

# Pictures in which neither sides nor neighbouring slices are told by the grid: radiographs, ultrasound, captures.
WITHOUT_PLACE = frozenset({"CR", "DX", "MG", "US", "RF", "XA", "IO", "PX", "XC", "ES", "OP", "GM", "SC", "OT"})

# Nothing can be learned from these, whoever releases them.
UNUSABLE = frozenset({OTHER_GEOMETRY})


@dataclass(frozen=True)
class QuarantinePolicy:
    """How much disagreement is more than two readings of one case differ by."""

    least_agreement: float = 0.3  # Dice of a label's two versions, on the slices of the earlier one
    least_likeness: float = 0.1  # the same of a proposal: correcting a bad one is what readers are for
    least_overlap: float = 0.5  # of what lies above and below a hole: less is two things, not one with a hole

    def __post_init__(self) -> None:
        for name in ("least_agreement", "least_likeness", "least_overlap"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} must be from 0 to 1, got {getattr(self, name)}", name)


@dataclass(frozen=True)
class Doubt:
    """One reason, for programs and for people."""

    reason: str
    sentence: str
    values: tuple[int, ...] = ()  # of the label map, where the doubt is about them

    def facts(self) -> dict[str, Any]:
        """As the ledger keeps it."""
        values = {"values": list(self.values)} if self.values else {}
        return {"reason": self.reason, "sentence": self.sentence, **values}


@dataclass(frozen=True, eq=False)
class Earlier:
    """A label map of the same case that is known already."""

    what: str  # for people: "version 2", "its proposal"
    mask: Mask
    names: Mapping[int, str]
    proposal: bool = False  # by a network, not by a reader


def doubts_about(case: Case, earlier: Sequence[Earlier] = (), policy: QuarantinePolicy | None = None) -> list[Doubt]:
    """Everything that is odd about a case's label; nothing when it may teach."""
    policy = policy or QuarantinePolicy()
    grid, mask = read_geometry(case.image), read_mask(case.label)
    flat = suffix_of(case.image) in FLAT_SUFFIXES and mask.geometry.shape == grid.shape
    if flat:
        mask = Mask(mask.array, grid)  # a photograph has no place in space
    try:
        mask.require_same_grid(grid, "the label")
    except VolumeError as error:
        return [Doubt(OTHER_GEOMETRY, str(error))]
    if not mask.values():
        return [Doubt(EMPTY, "the label is empty: nothing is marked")]
    return list(_doubts(case, mask, earlier, policy))


def _doubts(case: Case, mask: Mask, earlier: Sequence[Earlier], policy: QuarantinePolicy) -> Iterator[Doubt]:
    unknown = unnamed_values(case, mask)
    if unknown:
        shown = ", ".join(map(str, unknown))
        yield Doubt(UNKNOWN_VALUE, f"the label holds {shown}, and nothing says what that is", unknown)
    box = mask.marked_box()
    if suffix_of(case.image) not in FLAT_SUFFIXES and case.modality not in WITHOUT_PLACE:
        yield from _misplaced(case, mask, box, policy)
    for other in earlier:
        if other.mask.geometry.shape == mask.geometry.shape:
            both = _around(box, other.mask.marked_box())
            yield from _disagreements(dict(_structures(case.labels, mask, both)), other, both, policy)


def _misplaced(case: Case, mask: Mask, box: Box, policy: QuarantinePolicy) -> Iterator[Doubt]:
    """What is odd about where structures lie in the patient."""
    wrong_side = swapped(lambda: read_image(case.image), mask, case.labels)
    if wrong_side:
        yield Doubt(SWAPPED_SIDES, f"{wrong_side}: left and right may be swapped")
    axis = slice_axis(mask.geometry)
    for name, whole in _structures(case.labels, mask, box):
        hole = _hole(whole, axis, policy.least_overlap)
        if hole is not None:
            first, last = hole.start + box[axis].start, hole.stop - 1 + box[axis].start
            many = f"slices {first} to {last} are" if len(hole) > 1 else f"slice {first} is"
            yield Doubt(MISSING_SLICES, f"{name} has a hole: {many} empty between others")


def unnamed_values(case: Case, mask: Mask) -> tuple[int, ...]:
    """Values of a case's label that no name belongs to; without names every value is one."""
    known = set(case.labels) | {inner for values in case.includes.values() for inner in values}
    return tuple(sorted(set(mask.values()) - known)) if case.labels else ()


def _structures(names: Mapping[int, str], mask: Mask, box: Box) -> Iterator[tuple[str, BoolArray]]:
    """Names and masks of what is there, inside a box that holds all of it."""
    part = mask.array[box]
    for value in mask.values():
        yield names.get(value, f"label {value}"), part == value


def _around(box: Box, other: Box) -> Box:
    """A box that holds two others."""
    i, j, k = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(box, other, strict=True))
    return i, j, k


def _hole(whole: BoolArray, axis: int, least_overlap: float) -> range | None:
    """The first run of empty slices inside a structure that should not be there.

    Slices that were labelled one here and one there are a way to work, not a fault: a hole is no longer than the runs
    on both of its sides, of which at least one is more than a slice, and what it parts lies one over the other.
    """
    others = tuple(a for a in range(3) if a != axis)
    there = whole.any(axis=others)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], there.astype(np.int8), [0]))))
    runs = [range(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]
    for below, above in pairwise(runs):
        gap = range(below.stop, above.start)
        if len(gap) > min(len(below), len(above)) or max(len(below), len(above)) == 1:
            continue
        last, first = whole.take(gap.start - 1, axis), whole.take(gap.stop, axis)
        if (last & first).sum() >= least_overlap * min(last.sum(), first.sum()):
            return gap
    return None


def _disagreements(
    now: Mapping[str, BoolArray], earlier: Earlier, box: Box, policy: QuarantinePolicy
) -> Iterator[Doubt]:
    """Structures of one name that hardly overlap, where the earlier label looked: more slices are no disagreement."""
    for name, before in _structures(earlier.names, earlier.mask, box):
        if name not in now:
            continue
        axis = slice_axis(earlier.mask.geometry)
        slices = np.flatnonzero(before.any(axis=tuple(a for a in range(3) if a != axis)))
        found = dice(now[name].take(slices, axis), before.take(slices, axis))
        if found < (policy.least_likeness if earlier.proposal else policy.least_agreement):
            yield Doubt(DISAGREEMENT, f"{name} agrees with {earlier.what} by a Dice of {found:.2f} only")
