"""Slices of a search as the network is shown them: whole, clicked at, and those of accepted cases to learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sam_infer.arrays import UInt8Array
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.label_search import LabelSearch
from sam_infer.automatic.taught.coarse_map import in_frame
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.imaging.window import choose_window
from sam_infer.networks.backbone import Features
from sam_infer.networks.frame import Frame, whole
from sam_infer.prompts.object_prompts import Prompts
from sam_infer.slices.predictor import Options, Prediction

# So many slices of so many accepted cases teach: more say the same again.
SLICES_PER_CASE, MOST_TEACHERS = 24, 6

# Slices beyond the labels that say what is none of them.
BEYOND = 2


@dataclass(frozen=True, eq=False)
class TaughtSlice:
    """A slice of an accepted case: its embedding, and its label values (S, S) in the embedding's frame."""

    case: AcceptedCase
    view: SliceView
    frame: Frame
    features: Features
    values: UInt8Array


def taught_slices(search: LabelSearch, cases: Sequence[AcceptedCase]) -> Iterator[TaughtSlice]:
    """Slices of accepted cases in the plane of the search; the order of the cases changes nothing."""
    world = search.volume.geometry.world_axes[search.axis][0]
    for case in sorted(cases, key=lambda case: case.digest):
        axis = [w for w, _ in case.volume.geometry.world_axes].index(world)
        chosen = spread(case.labels, axis)
        search.job.expected(len(chosen))
        for index in chosen:
            view = case.volume.view(axis, index)
            shown, frame = features(search, case.volume, view)
            yield TaughtSlice(case, view, frame, shown, in_frame(view.extract(case.labels.array), frame))


def taught_key(search: LabelSearch, what: str, cases: Sequence[AcceptedCase]) -> tuple[object, ...]:
    """Everything that decides what slices of accepted cases teach."""
    world = search.volume.geometry.world_axes[search.axis][0]
    known = sorted(case.digest for case in cases)
    return (what, search.predictor.backbone.encoder_id, world, search.window, len(search.labels), *known)


def uncounted(search: LabelSearch) -> LabelSearch:
    """The same search for work that is less or more than one of its slices."""
    return replace(search, job=search.job.uncounted())


def clicker(search: LabelSearch, index: int, options: Options) -> Callable[[Prompts], Prediction]:
    """Answers single clicks on a slice."""

    def predict(prompts: Prompts) -> Prediction:
        """One click; each is a job of its own, so that a reader's click need not wait for all of them."""
        return search.job.slice(lambda: search.predictor.predict(search.volume, prompts, index, options))

    return predict


def features(search: LabelSearch, volume: Volume, view: SliceView) -> tuple[Features, Frame]:
    """The whole slice as the network sees it."""
    window = choose_window(volume, search.window)
    frame = search.predictor.backbone.frame(whole(view.height, view.width), view.pixel_mm)
    return search.job.slice(lambda: search.predictor.features(volume, view, window, frame)), frame


def spread(labels: Mask, axis: int) -> list[int]:
    """Slices of an accepted case to learn from: those with labels, and some beyond where there are none."""
    across = tuple(a for a in range(3) if a != axis)
    filled = np.flatnonzero(labels.array.any(axis=across))
    if not len(filled):
        return []
    low, high = max(int(filled[0]) - BEYOND, 0), min(int(filled[-1]) + BEYOND, labels.array.shape[axis] - 1)
    count = min(SLICES_PER_CASE, high - low + 1)
    return sorted({round(k) for k in np.linspace(low, high, count)})
