"""Folds of the automatic bench: cases that are left out one by one, with the others as accepted cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sam_infer.automatic.example import MOST_CASES, AcceptedCase
from sam_infer.errors import VolumeError
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.lru_cache import LruCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.labels.cases import Case, Source, labelled_image, renumbered, slice_axis, spread
from sam_trainer.proposals.left_out import REMEMBERED, LeftOut, Nested, NewCase
from sam_trainer.reports.table import modality_group


@dataclass(frozen=True)
class AutoPlan:
    """How much is asked."""

    folds: int = 3  # cases that are left out, per folder
    limit: int | None = None  # cases per folder
    slices: int = 3  # of a case
    labels: int = 4  # on a slice
    budget: float = 30.0  # seconds of one core for the U-Net; 0 leaves it out
    seed: int = 0
    gallery: int = 256  # pixels per side of the slice whose full gallery is timed


@dataclass(frozen=True)
class Fold:
    """One case that is left out, the others of its folder, and the labels that they share."""

    case: Case
    others: tuple[Case, ...]
    names: tuple[str, ...]
    headline: bool

    @property
    def key(self) -> str:
        """What it is called while it is measured."""
        return f"auto: {self.case.source}/{self.case.name}"

    @property
    def nested(self) -> Nested:
        """Which labels lie inside which, by their places in `names`."""
        place = {name: number for number, name in enumerate(self.names, 1)}
        inside = {
            place[self.case.labels[outer]]: tuple(
                place[self.case.labels[value]] for value in inner if self.case.labels.get(value) in place
            )
            for outer, inner in self.case.includes.items()
            if self.case.labels.get(outer) in place
        }
        return {outer: inner for outer, inner in inside.items() if inner}

    def asked(self, predictor: Predictor, memo: LruCache | None = None) -> LeftOut:
        """The case with accepted cases that teach about it; a copy of its image teaches nothing."""
        volume, truth = self.read(self.case)
        teachers = [AcceptedCase(*self.read(other)) for other in self.others]
        teachers = [one for one in teachers if one.volume.digest != volume.digest]
        known = memo or LruCache(REMEMBERED)
        asked = NewCase(predictor, volume, slice_axis(volume.geometry), self.names, teachers, memo=known)
        return LeftOut(asked, truth, self.nested)

    def read(self, case: Case) -> tuple[Volume, Mask]:
        """A case's image, and its label with the values of `names`."""
        volume, mask = labelled_image(case)
        return volume, Mask(np.asfortranarray(renumbered(mask, case.labels, self.names)), mask.geometry)


def folds_of(sources: Sequence[Source], plan: AutoPlan) -> list[Fold]:
    """Every fold of every folder; those whose cases share no label, or are alone, have none."""
    found = []
    for source in sources:
        cases = spread(source.cases, plan.limit)
        found += spread(list(_folds(cases, source.headline)), plan.folds)
    if not found:
        raise VolumeError("no folder has two labelled cases of one kind: there is nothing to learn from", "studies")
    return found


def _folds(cases: Sequence[Case], headline: bool) -> Iterator[Fold]:
    named = {case.name: _names(case) for case in cases}
    for case in cases:
        alike = [one for one in cases if modality_group(one.modality) == modality_group(case.modality)]
        others = [one for one in alike if one is not case and set(named[one.name]) & set(named[case.name])][:MOST_CASES]
        taught = {name for one in others for name in named[one.name]}
        names = tuple(name for name in named[case.name] if name in taught)
        if names:
            yield Fold(case, tuple(others), names, headline)


def _names(case: Case) -> list[str]:
    if case.labels:
        return [name for _, name in sorted(case.labels.items())]
    return [f"label {value}" for value in labelled_image(case)[1].values()]
