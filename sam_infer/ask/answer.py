"""Answers to questions: which part of the engine answers which question, decided here and nowhere else.

The answer has the same shape whatever was asked: a mask on the image's grid, what a reader should know, and what the
engine found, for whoever wants to tell more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, overload

from sam_infer.ask.context import Context
from sam_infer.ask.labels import find_labels, find_seeded
from sam_infer.ask.question import (
    CineQuestion,
    LabelQuestion,
    ObjectQuestion,
    ObjectsQuestion,
    Question,
    SeededQuestion,
    SliceQuestion,
)
from sam_infer.ask.seeded import SeededObject
from sam_infer.automatic.label_search import LabelMap
from sam_infer.imaging.cine import Cine, CineMask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.phases.in_time import CinePrediction, InTime
from sam_infer.propagation.engine import segment_object
from sam_infer.propagation.many_labels import LabelPrediction, segment_labels
from sam_infer.propagation.result import VolumePrediction
from sam_infer.slices.predictor import Prediction, Predictor

NOTHING_FOUND = "the network found nothing here: the mask is empty"
BY_RIDGES = "thin by its name: these are ridges in the box, not the network's answer; a candidate brings that"
CUT_SHORT = "called off before it was done: this is what was found until then, the rest was not looked at"

Found = TypeVar("Found", Prediction, VolumePrediction, LabelPrediction, LabelMap, SeededObject)


@dataclass(frozen=True, eq=False)
class Answer(Generic[Found]):
    """A mask (one object: 0 and 1; several: values as asked) with its sentences, and what the engine found."""

    mask: Mask
    found: Found
    notes: tuple[str, ...] = ()  # about the answer, the image and the network, in this order


@dataclass(frozen=True, eq=False)
class CineAnswer:
    """The same for all phases of a cine."""

    mask: CineMask
    found: CinePrediction
    notes: tuple[str, ...] = ()


@overload
def answer(
    question: SliceQuestion, predictor: Predictor, volume: Volume, context: Context | None = None
) -> Answer[Prediction]: ...
@overload
def answer(
    question: ObjectQuestion, predictor: Predictor, volume: Volume, context: Context | None = None
) -> Answer[VolumePrediction]: ...
@overload
def answer(
    question: ObjectsQuestion, predictor: Predictor, volume: Volume, context: Context | None = None
) -> Answer[LabelPrediction]: ...
@overload
def answer(
    question: LabelQuestion, predictor: Predictor, volume: Volume, context: Context | None = None
) -> Answer[LabelMap]: ...
@overload
def answer(
    question: SeededQuestion, predictor: Predictor, volume: Volume, context: Context | None = None
) -> Answer[SeededObject]: ...
def answer(
    question: Question, predictor: Predictor, volume: Volume, context: Context | None = None
) -> Answer[Prediction] | Answer[VolumePrediction] | Answer[LabelPrediction] | Answer[LabelMap] | Answer[SeededObject]:
    """What `predictor` says about `volume`."""
    context = context or Context()
    about = _about(volume, predictor)
    match question:
        case SliceQuestion():
            seen = predictor.predict(volume, question.prompts, question.index, question.options)
            return _of_slice(seen, predictor, volume)
        case ObjectQuestion():
            found = segment_object(predictor, volume, question.prompts, question.options, context.job)
            return Answer(found.mask, found, (*_cut_short(found.whole), *found.notes, *about))
        case ObjectsQuestion():
            several = segment_labels(predictor, volume, question.prompts, question.options, context.job)
            notes = [f"{name}: {note}" for name, one in several.labels.items() for note in one.notes]
            return Answer(several.mask, several, (*_cut_short(several.whole), *notes, *about))
        case LabelQuestion():
            labelled = find_labels(question, predictor, volume, context)
            return Answer(labelled.mask, labelled, (*_cut_short(labelled.whole), *labelled.notes, *about))
        case SeededQuestion():
            seeded = find_seeded(question, predictor, volume, context)
            one = seeded.object
            return Answer(one.mask, seeded, (*_cut_short(one.whole), *seeded.notes, *about))


def answer_in_time(
    question: CineQuestion, predictor: Predictor, cine: Cine, context: Context | None = None
) -> CineAnswer:
    """What `predictor` says about all phases."""
    job = (context or Context()).job
    walk = InTime(predictor, cine, question.phase, question.options, job)
    found = walk.answer(question.prompts, question.along)
    about = _about(cine.phases[question.phase], predictor)
    return CineAnswer(found.mask, found, (*_cut_short(found.whole), *found.notes, *about))


def _of_slice(seen: Prediction, predictor: Predictor, volume: Volume) -> Answer[Prediction]:
    """A prediction as an answer; laying its mask on the image's grid is a stage of its own."""
    started = time.perf_counter()
    mask = seen.mask(volume)
    timed = replace(seen, seconds={**seen.seconds, "write": time.perf_counter() - started})
    how = (BY_RIDGES,) if seen.by_ridges else ()
    how = how if seen.pixels.any() else (*how, NOTHING_FOUND)
    return Answer(mask, timed, (*_image_notes(volume), *how, *_network_notes(predictor)))


def _cut_short(whole: bool) -> tuple[str, ...]:
    return () if whole else (CUT_SHORT,)


def _about(volume: Volume, predictor: Predictor) -> tuple[str, ...]:
    return (*_image_notes(volume), *_network_notes(predictor))


def _image_notes(volume: Volume) -> tuple[str, ...]:
    return (volume.note,) if volume.note else ()


def _network_notes(predictor: Predictor) -> tuple[str, ...]:
    return (predictor.note,) if predictor.note else ()
