"""Edit distance: the share of voxels that a reader changed between a proposal and the accepted label.

A proposal speaks only about where it was asked. What a reader drew elsewhere is not held against the network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.volume import Mask

Region = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a network answered about one label, packed: one bit per voxel of the box around what it marked."""

    label: str
    region: Region  # where it was asked
    box: Region
    bits: UInt8Array
    model: str = ""
    adapter: str = ""
    prompts: str = ""  # digest of the hints
    clicks: int = 0

    @property
    def empty(self) -> bool:
        """Whether nothing was marked."""
        return self.box[0].start == self.box[0].stop

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return int(self.bits.nbytes)

    def write(self, marked: BoolArray, place: Region) -> None:
        """Put it into the part `place` of a mask, over what was there before; all of it lies there."""
        marked[_inside(self.region, place)] = False
        shape = tuple(part.stop - part.start for part in self.box)
        bits = np.unpackbits(self.bits, count=int(np.prod(shape))).reshape(shape).astype(bool)
        if not self.empty:
            marked[_inside(self.box, place)] = bits

    def covers(self, other: Proposal) -> bool:
        """Whether nothing of an earlier proposal is left after this one."""
        return self.label == other.label and all(
            (mine.start or 0) <= (its.start or 0) and mine.stop >= its.stop
            for mine, its in zip(self.region, other.region, strict=True)
        )


def packed(mask: Mask, named: Mapping[str, int], region: Region, **facts: Any) -> list[Proposal]:
    """Proposals of all labels (name to value) inside a region; the rest of the mask is not looked at."""
    part = mask.array[region]
    boxes = ndimage.find_objects(part)  # one pass for all labels: large volumes have many
    starts = [int(side.start or 0) for side in region]
    found = []
    for name, value in named.items():
        box = boxes[value - 1] if value <= len(boxes) else None
        box = box or (slice(0, 0), slice(0, 0), slice(0, 0))
        i, j, k = (slice(s + side.start, s + side.stop) for s, side in zip(starts, box, strict=True))
        found.append(Proposal(name, region, (i, j, k), np.packbits(part[box] == value), **facts))
    return found


@dataclass(frozen=True)
class Edit:
    """What a reader changed."""

    distance: float  # changed voxels over those that either of both marked: 0 is accepted as proposed, 1 is all redone
    voxels: int


def edit_of(label: Mask, names: Mapping[int, str], proposals: Sequence[Proposal]) -> Edit | None:
    """The difference between an accepted label and its proposals, the oldest first; None where there are none."""
    changed = either = 0
    for value, name in names.items():
        about = [proposal for proposal in proposals if proposal.label == name]
        if not about:
            continue
        place = _together(about)
        proposed, asked = _nothing(place), _nothing(place)
        for proposal in about:
            proposal.write(proposed, place)
            asked[_inside(proposal.region, place)] = True
        accepted = (label.array[place] == value) & asked
        changed += int((proposed ^ accepted).sum())
        either += int((proposed | accepted).sum())
    return Edit(round(changed / either, 5), changed) if either else None


def as_mask(proposals: Sequence[Proposal], names: Mapping[int, str], geometry: Geometry) -> Mask:
    """All proposals in one label map, the oldest first."""
    found = Mask.empty(geometry)
    for value, name in names.items():
        about = [proposal for proposal in proposals if proposal.label == name]
        if about:
            place = _together(about)
            marked = _nothing(place)
            for proposal in about:
                proposal.write(marked, place)
            found.array[place][marked] = value
    return found


def _together(proposals: Sequence[Proposal]) -> Region:
    """The box around where they were asked: mostly a few slices of a volume."""
    i, j, k = (
        slice(min(side.start or 0 for side in sides), max(side.stop for side in sides))
        for sides in zip(*(proposal.region for proposal in proposals), strict=True)
    )
    return i, j, k


def _inside(region: Region, place: Region) -> Region:
    """A region of the volume as a region of one of its parts."""
    i, j, k = (slice((a.start or 0) - b.start, a.stop - b.start) for a, b in zip(region, place, strict=True))
    return i, j, k


def _nothing(place: Region) -> BoolArray:
    """A part of a mask with nothing marked, in the order of label maps."""
    return np.zeros(tuple(side.stop - side.start for side in place), bool, order="F")
