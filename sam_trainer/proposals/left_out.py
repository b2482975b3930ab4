"""A case that is left out: the others teach, its own label is hidden from those who answer, and some slices are asked.

A spot is one label on one slice. The label of the case says which spots are asked and how good an answer is; nobody
who answers gets it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.ask.context import Context
from sam_infer.ask.labels import find_labels
from sam_infer.ask.question import LabelQuestion
from sam_infer.automatic.best import Way
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.label_search import LabelSearch
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.job import Job
from sam_infer.lru_cache import LruCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.labels.cases import MIN_PIXELS, chosen_slices, spread

# Registrations, maps and galleries of one case and its teachers.
REMEMBERED = 64

Nested = Mapping[int, tuple[int, ...]]  # of a label's value those of labels inside it, which its outline includes


@dataclass(frozen=True)
class Spots:
    """How much of a case is asked."""

    slices: int = 3  # of a volume
    labels: int = 4  # on a slice


@dataclass(frozen=True, eq=False)
class NewCase:
    """What answers are given to: an image, names of labels, accepted cases of other images. Not its label."""

    predictor: Predictor
    volume: Volume
    axis: int
    names: tuple[str, ...]
    teachers: Sequence[AcceptedCase]
    job: Job = field(default_factory=Job)
    memo: LruCache = field(default_factory=lambda: LruCache(REMEMBERED))

    def search(self, index: int) -> LabelSearch:
        """The search for all labels on one slice."""
        where = range(index, index + 1)
        return LabelSearch(self.predictor, self.volume, self.axis, where, self.names, job=self.job, memo=self.memo)

    def labels(self, way: Way, index: int, prior: Mask | None = None) -> tuple[UInt8Array, float]:
        """Values (H, W) of one slice, as a server would answer, and the seconds that it took."""
        started = time.perf_counter()
        where = range(index, index + 1)
        question = LabelQuestion(way.mode, self.axis, where, self.names, index, prior=prior, how=way.how)
        context = Context(self.job, lambda: self.teachers, self.memo)
        found = find_labels(question, self.predictor, self.volume, context).mask
        pixels = np.ascontiguousarray(self.view(index).extract(found.array))
        return pixels, time.perf_counter() - started

    def view(self, index: int) -> SliceView:
        """One of the slices."""
        return self.volume.view(self.axis, index)


@dataclass(frozen=True, eq=False)
class LeftOut:
    """The case with what it is judged by; values are places in the names of `asked`, from 1."""

    asked: NewCase
    truth: Mask
    nested: Nested = field(default_factory=dict)

    @cached_property
    def whole(self) -> dict[str, BoolArray]:
        """Every label (I, J, K) with what lies inside it."""
        return {name: self.of(name, self.truth.array) for name in self.asked.names}

    def of(self, name: str, values: UInt8Array) -> BoolArray:
        """Where a label is, in values of any shape."""
        value = self.asked.names.index(name) + 1
        return np.isin(values, (value, *self.nested.get(value, ())))

    def on(self, name: str, index: int) -> BoolArray:
        """The truth (H, W) of a label on a slice."""
        return np.ascontiguousarray(self.asked.view(index).extract(self.whole[name]))

    def previous(self, index: int) -> Mask | None:
        """The label of the slice before, or after where there is none, laid on slice `index`; None of a flat image."""
        axis, shape = self.asked.axis, self.truth.geometry.shape
        for near in (index - 1, index + 1):
            values = self.truth.array.take(near, axis) if 0 <= near < shape[axis] else None
            if values is not None and values.any():
                out = Mask.empty(self.truth.geometry)
                np.moveaxis(out.array, axis, 0)[index] = values
                return out
        return None

    def spots(self, how: Spots) -> list[tuple[int, list[str]]]:
        """Slices to ask, each with its labels: first those that show most labels which were not seen yet."""
        visible = {name: chosen_slices(mask, self.asked.axis) for name, mask in self.whole.items()}
        waiting = sorted({index for some in visible.values() for index in some})
        seen: Counter[str] = Counter()
        found: list[tuple[int, list[str]]] = []
        while waiting and len(found) < how.slices:
            shown = {index: self._shown(index) for index in waiting}
            index = max(waiting, key=lambda k: (sum(1 / (1 + seen[n]) ** 2 for n in shown[k]), -k))
            waiting.remove(index)
            least = sorted(shown[index], key=lambda name: seen[name])
            names = [n for n in self.asked.names if n in spread(least, how.labels)]
            seen.update(names)
            found.append((index, names))
        return sorted(found)

    def _shown(self, index: int) -> list[str]:
        return [name for name in self.asked.names if self.on(name, index).sum() >= MIN_PIXELS]
