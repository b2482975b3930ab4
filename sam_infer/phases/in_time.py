"""One object through the phases of a cine: time is one more walk, whose neighbours are phases instead of slices.

What one slice position shows in all phases is a volume, whose slices are the phases (`Cine.film`). The object is found
in one phase, as in any volume, and from each of its slices it is followed both ways through that film, by the engine
that follows it in space. The phase that was prompted stays what it is. In time an object moves and does not end: a run
stops only where nothing of it is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter

import numpy as np

from sam_infer.errors import PromptError
from sam_infer.imaging.cine import Cine, CineMask
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Volume
from sam_infer.job import Job
from sam_infer.masks.cleanup3d import Consistency, consistent
from sam_infer.phases.film import Begun, known_answer, said_on_film
from sam_infer.prompts.object_prompts import Box, Prompts
from sam_infer.prompts.volume_prompts import VolumePrompts
from sam_infer.propagation.engine import engine, segment_object
from sam_infer.propagation.options import VolumeOptions
from sam_infer.propagation.result import VolumePrediction
from sam_infer.propagation.segment import Propagation
from sam_infer.propagation.walk import Answers, Walk
from sam_infer.slices.predictor import Predictor

# Where an object is followed: in space within one phase, in time where it was prompted, or in space and then in time.
SPACE, TIME, BOTH = "space", "time", "both"
ALONG = (SPACE, TIME, BOTH)


@dataclass(frozen=True, eq=False)
class CinePrediction:
    """A mask (0 or 1) of every phase, and what it was followed from."""

    mask: CineMask
    start: VolumePrediction  # of the phase that was prompted
    phase: int
    scores: Mapping[int, float]  # by phase, where the object was found
    notes: tuple[str, ...] = ()
    whole: bool = True  # False: called off, and this is what was found until then


@dataclass(frozen=True, eq=False)
class InTime:
    """One object in a cine: what is said about it in one phase, and where it is followed."""

    predictor: Predictor
    cine: Cine
    phase: int
    options: VolumeOptions = field(default_factory=VolumeOptions)
    job: Job = field(default_factory=Job)

    def answer(self, prompts: Prompts, along: str) -> CinePrediction:
        """The object in its phase, then in all others, on every slice where it is (`both`) or was prompted (`time`)."""
        if along not in (TIME, BOTH):
            raise PromptError(f"along must be {TIME} or {BOTH}, got {along!r}", "along")
        if len(self.cine.phases) < 2:
            raise PromptError(f"along {along} needs an image with phases in time, and this one has none", "along")
        volume = self.cine.at(self.phase)
        said = VolumePrompts.of(prompts, volume.geometry)
        if along == TIME:
            said = _on_its_slices(said, volume)
        found = segment_object(self.predictor, volume, said, self.options, self.job)
        slices = found.slices_of_mask()
        if along == TIME:
            slices = [k for k in slices if k in found.prompted]
        films = self.job.kept(self._films(found, said, slices))
        answers = dict(films)
        mask = self._mask(found, slices, answers)
        lost = [n for n, one in enumerate(mask.phases) if slices and not one.array.any()] if films.whole else []
        notes = (*found.notes, *_not_found(lost))
        return CinePrediction(mask, found, self.phase, _scores(answers.values()), notes, found.whole and films.whole)

    def _films(
        self, found: VolumePrediction, said: VolumePrompts, slices: Sequence[int]
    ) -> Iterator[tuple[int, Answers]]:
        """For each slice position its answers by phase."""
        quiet, follower = (
            replace(self.job, foreseen=Job().foreseen),
            engine(self.options.engine, self.predictor.backbone),
        )
        options = replace(self.options, end=self.options.end.between(), consistency=Consistency())
        for number, index in enumerate(slices):
            film = self.cine.film(found.axis, index)
            view = film.view(found.axis, self.phase)
            known = known_answer(found, index, view)
            about = said_on_film(film, found.axis, self.phase, said.limit, known)
            walk: Walk = Begun(follower.walk(self.predictor, film, about, options, quiet), known)
            pace = walk.seconds_per_slice() if number == 0 else None
            if pace is not None:  # told once, of all films
                self.job.foreseen(pace * len(slices) * len(self.cine.phases))
            one = Propagation(self.predictor, film, about, options, quiet, walk).answer()
            # Without their logits: of many slices in many phases they would fill the memory.
            yield index, {phase: replace(answer, runs=()) for phase, answer in one.answers.items()}
            if not one.whole:
                self.job.check()

    def _mask(self, found: VolumePrediction, slices: Sequence[int], films: Mapping[int, Answers]) -> CineMask:
        """All phases; made as consistent in space as the one that was prompted."""
        mask = CineMask.empty(self.cine.geometry, len(self.cine.phases), self.cine.step_s)
        for index in slices:
            view = SliceView.of(self.cine.geometry, found.axis, index)
            view.insert(mask.phases[self.phase].array, view.extract(found.mask.array))
            for phase, answer in films.get(index, {}).items():
                if phase != self.phase:
                    view.insert(mask.phases[phase].array, answer.pixels.astype(np.uint8))
        wanted = self.options.consistency
        if not wanted.is_off:
            nowhere = np.zeros((0, 3), np.int64)
            for phase, one in enumerate(mask.phases):
                if phase != self.phase:
                    one.array[...] = consistent(one.array > 0, one.geometry, found.axis, wanted, nowhere)
        return mask


def _on_its_slices(said: VolumePrompts, volume: Volume) -> VolumePrompts:
    """The same prompts, and no slice beyond those that carry any."""
    touched = sorted({*said.anchors, *said.corrections})
    whole = Box.of([0, 0, 0], np.asarray(volume.geometry.shape) - 1)
    low, high = (np.array(corner) for corner in ((said.limit or whole).low, (said.limit or whole).high))
    low[said.axis], high[said.axis] = touched[0], touched[-1]
    return replace(said, limit=Box(low, high))


def _scores(films: Iterable[Answers]) -> dict[int, float]:
    """By phase the network's mean opinion of its masks, weighted by their area."""
    parts = sorted((phase, int(one.patch.pixels.sum()), one.score) for film in films for phase, one in film.items())
    scores = {}
    for phase, group in groupby(parts, key=itemgetter(0)):
        areas, opinions = np.array([(area, score) for _, area, score in group]).T
        if areas.sum():
            scores[phase] = float(np.average(opinions, weights=areas))
    return scores


def _not_found(phases: Sequence[int]) -> tuple[str, ...]:
    return (f"nothing of the object was found in the phases {', '.join(map(str, phases))}",) if phases else ()
