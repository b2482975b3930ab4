"""Training samples for the semantic head: whole slices with partial labels (present, absent, unknown).

A label that is missing from a case was not looked for: there it is unknown, not background. One that a reader drew on
scattered slices is known on these only. One that was drawn on an unbroken run of slices ends where its run ends: it is
known on every slice of the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import BoolArray, Int64Array, UInt8Array
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import NO_TAGS, Tags
from sam_infer.imaging.window import Window, choose_window
from sam_trainer.labels.cases import Case, case_tags, labelled_image, renumbered, slice_axis
from sam_trainer.lessons.lesson import displayed_stack

# Slices of one case that show labels, evenly spread, and slices that surely show none of them.
SLICES, EMPTY_SLICES = 24, 4

# A run of so many slices was drawn from end to end.
LEAST_RUN = 3


@dataclass(frozen=True, eq=False)
class SemanticLesson:
    """One slice as a viewer shows it, with its label map; value n means the n-th label."""

    case: str
    image: str  # digest of the volume
    view: SliceView
    window: Window
    stack: UInt8Array  # (depth, H, W) or (depth, H, W, 3), this slice in the middle
    values: UInt8Array  # (H, W)
    known: BoolArray  # (labels,) whether the absence of a label here means that it is not there
    tags: Tags = NO_TAGS

    @property
    def shows(self) -> list[int]:
        """Numbers of the labels that are drawn here."""
        return [int(value) for value in np.unique(self.values) if value]


def semantic_lessons(case: Case, labels: Sequence[str], slices: int = SLICES, depth: int = 1) -> list[SemanticLesson]:
    """The lessons of a case about the labels that it names, in the order of the slices; `depth` is the network's."""
    volume, mask = labelled_image(case)
    values = renumbered(mask, case.labels, labels)
    axis = slice_axis(volume.geometry)
    window = choose_window(volume)
    drawn = _drawn(values, axis, len(labels))  # (labels, slices)
    everywhere = np.array([_unbroken(row) for row in drawn])
    found = []
    for index in _chosen(drawn, everywhere, slices):
        view = volume.view(axis, index)
        shown = np.ascontiguousarray(view.extract(values))
        stack = displayed_stack(volume, view, window, depth)
        known, tags = everywhere | drawn[:, index], case_tags(case, volume)
        found.append(SemanticLesson(case.name, volume.digest, view, window, stack, shown, known, tags))
    return found


def _drawn(values: UInt8Array, axis: int, labels: int) -> BoolArray:
    """Which label (labels, slices) is drawn on which slice."""
    slices = np.moveaxis(values, axis, 0)
    counts = np.stack([np.bincount(one.ravel(), minlength=labels + 1)[1:] for one in slices], axis=1)
    return np.asarray(counts > 0)


def _unbroken(drawn: BoolArray) -> bool:
    """Whether a label was drawn from end to end; a photograph has one slice, which is all of it."""
    indices = np.flatnonzero(drawn)
    least = min(LEAST_RUN, len(drawn))
    return len(indices) >= least and len(indices) == indices[-1] - indices[0] + 1


def _chosen(drawn: BoolArray, everywhere: BoolArray, most: int) -> list[int]:
    """Slices that teach: those with labels, and some without where that is known."""
    filled = drawn.any(axis=0)
    empty = np.flatnonzero(~filled) if everywhere.any() else np.zeros(0, np.int64)
    return sorted(_spread(np.flatnonzero(filled), most) + _spread(empty, EMPTY_SLICES))


def _spread(indices: Int64Array, most: int) -> list[int]:
    if len(indices) <= most:
        return [int(index) for index in indices]
    return [int(indices[int((n + 0.5) * len(indices) / most)]) for n in range(most)]
