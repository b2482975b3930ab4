"""Readings: the newest label of each reader of a case, side by side, and what was decided between them.

They are found in the ledger, which loses nothing: who reads a case after somebody else adds a version and takes none
away. Only people with names count as several readers; a team of one, or one that nobody told apart, has none of this.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sam_infer.arrays import UInt8Array
from sam_infer.imaging.image_file import read_marked
from sam_infer.imaging.volume import Mask
from sam_trainer.errors import TrainingError
from sam_trainer.labels.ledger import ADJUDICATED, READ, WITHDRAWN, Ledger, Record

# What somebody is called who gave no name.
NAMELESS = ("", "local")


@dataclass(frozen=True)
class Readings:
    """What several readers marked in one case."""

    case: str
    records: tuple[Record, ...]  # the newest of each reader, the oldest first
    decision: Record | None = None  # as long as no reader came after it

    @property
    def several(self) -> bool:
        """Whether there is anything to compare."""
        return len(self.records) > 1

    def of(self, version: int) -> Record:
        """One of them."""
        for record in self.records:
            if record.version == version:
                return record
        known = ", ".join(f"{record.version} ({record.reader})" for record in self.records)
        raise TrainingError(f"{self.case} has no reading of version {version}; there are {known}", "choice")


def readings_of(records: Iterable[Record]) -> dict[str, Readings]:
    """The readings of every case, from the events of a ledger in their order."""
    newest: dict[str, dict[str, Record]] = defaultdict(dict)
    decided: dict[str, Record | None] = defaultdict(lambda: None)
    for record in records:
        mine = newest[record.case]
        if record.event in READ:
            if record.reader not in NAMELESS:
                mine.pop(record.reader, None)  # the newest last
                mine[record.reader] = record
            decided[record.case] = None
        elif record.event == ADJUDICATED:
            decided[record.case] = record
        elif record.event == WITHDRAWN and decided[record.case] is not None:
            decided[record.case] = None  # what was taken back is the decision
        elif record.event == WITHDRAWN:
            newest[record.case] = {name: each for name, each in mine.items() if each.version != record.version}
    return {case: Readings(case, tuple(found.values()), decided[case]) for case, found in newest.items()}


def readings_in(ledger: Ledger, case: str) -> Readings:
    """The readings of one case; refused where nobody ever read it."""
    found = readings_of(record for record in ledger.records() if record.case == case).get(case)
    if found is None:
        raise TrainingError(f"no label of {case!r} was ever accepted here; `samlabel labels list` shows all", "case")
    return found


@dataclass(frozen=True, eq=False)
class SideBySide:
    """Label maps of one case with the same values for the same names."""

    names: tuple[str, ...]  # of the values 1, 2, ...
    masks: tuple[Mask, ...]
    versions: tuple[int, ...]
    readers: tuple[str, ...]

    @classmethod
    def of(cls, ledger: Ledger, records: Sequence[Record]) -> SideBySide:
        """Readings, read; refused where they do not lie on each other."""
        names: list[str] = []
        for record in records:
            names += [name for _, name in sorted(record.names.items()) if name not in names]
        pairs = [(record, *read_marked(ledger.label(record))) for record in records]
        if len({phase for _, _, phase in pairs}) > 1:
            raise TrainingError(
                f"the readings of {records[0].case} are of different phases: compare them by eye", "case"
            )
        masks = [_renamed(mask, record, names) for record, mask, _ in pairs]
        for mask in masks[1:]:
            mask.require_same_grid(masks[0].geometry, "the other reading")
        versions, readers = (tuple(getattr(record, what) for record in records) for what in ("version", "reader"))
        return cls(tuple(names), tuple(masks), versions, readers)

    @cached_property
    def box(self) -> tuple[slice, slice, slice]:
        """Around everything that anybody marked, and a voxel more."""
        marked = [mask.marked_box() for mask in self.masks if mask.array.any()]
        if not marked:
            return slice(0, 1), slice(0, 1), slice(0, 1)
        i, j, k = (
            slice(max(0, min(side.start for side in sides) - 1), max(side.stop for side in sides) + 1)
            for sides in zip(*marked, strict=True)
        )
        return i, j, k

    @property
    def parts(self) -> tuple[UInt8Array, ...]:
        """The label maps inside the box."""
        return tuple(mask.array[self.box] for mask in self.masks)

    def whole(self, part: UInt8Array) -> Mask:
        """What is said about the box, as a label map of the image."""
        found = Mask.empty(self.masks[0].geometry)
        found.array[self.box] = part
        return found


def _renamed(mask: Mask, record: Record, names: list[str]) -> Mask:
    """A reading with the values of `names`, which it completes by what its reader gave no name."""
    table = np.zeros(256, np.uint8)
    for value in mask.values():
        name = record.names.get(value, f"label {value}")
        if name not in names:
            names.append(name)
        table[value] = names.index(name) + 1
    return Mask(table[mask.array], mask.geometry)
