"""What one accepted label teaches: objects on a few of its slices, each beside the network's answer to a click on it.

The network is asked as a reader begins, with one click where the object is thickest, and without what was learned. So
a learner knows what its answers look like before anybody corrects them, whatever the reader did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sam_infer.arrays import BoolArray
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.predictor import Options, Prediction, Predictor
from sam_trainer.labels.cases import MIN_PIXELS, Case, components, slice_axis, spread
from sam_trainer.online.crop import cut
from sam_trainer.online.learner import Correction
from sam_trainer.simulation.clicks import correction_click
from sam_trainer.simulation.session import as_prompts

# Objects of a label of one case: on as many slices, or several of one slice, the largest first.
OBJECTS = 8

# Asks a network about a slice; a server waits for its turn.
Ask = Callable[[Callable[[], Prediction]], Prediction]


@dataclass(frozen=True, eq=False)
class TaughtObject:
    """One object of an accepted label."""

    label: str
    view: SliceView
    truth: BoolArray  # (H, W)


def objects_of(case: Case, labels: Mask) -> list[TaughtObject]:
    """What a case's label teaches, label by label, from its first slice to its last."""
    axis = slice_axis(labels.geometry)
    names = case.labels or {value: f"label {value}" for value in labels.values()}
    found = []
    for value, name in sorted(names.items()):
        whole = np.isin(labels.array, (value, *case.includes.get(value, ())))
        areas = whole.sum(axis=tuple(a for a in range(3) if a != axis))
        slices = spread([int(k) for k in np.flatnonzero(areas >= MIN_PIXELS)], OBJECTS)
        for index in slices:
            view = SliceView.of(labels.geometry, axis, index)
            parts = sorted(components(view.extract(whole)), key=lambda part: -int(part.sum()))
            found += [TaughtObject(name, view, part) for part in parts[: OBJECTS // len(slices)]]
    return found


def first_click(truth: BoolArray, view: SliceView) -> Prompts:
    """How a reader begins."""
    click = correction_click(np.zeros(truth.shape, np.uint8), truth.astype(np.uint8))
    return as_prompts([click] if click is not None else []).on(view)


def sample_of(seen: Prediction, truth: BoolArray, volume: Volume, case: str, record: int) -> Correction | None:
    """An answer and what it should have been; None where the network found next to nothing."""
    shown = seen.window.apply(volume.pixels(seen.view))
    square = cut(shown, seen.logits)
    if square is None:
        return None
    return Correction(case, record, square.picture, square.logits, square.truth(truth))


def samples_of(
    predictor: Predictor, volume: Volume, taught: Sequence[TaughtObject], record: tuple[str, int], ask: Ask
) -> Iterator[tuple[str, Correction]]:
    """Label and sample of every object that the network finds at all; `record` is the case, and its number."""
    for one in taught:
        prompts = first_click(one.truth, one.view)
        seen = ask(lambda: predictor.predict(volume, prompts, one.view.index, Options(label=one.label)))  # noqa: B023
        sample = sample_of(seen, one.truth, volume, *record)
        if sample is not None:
            yield one.label, sample
