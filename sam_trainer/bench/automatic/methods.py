"""Methods of the automatic bench: every mode with its options, and the baselines beside them.

Baselines:

nothing              the reader begins with a click
warped label         the label of the nearest accepted case laid over this one; of three cases, their vote
coarse map           where the closed-form map is surest; trained map: the same of the trained heads
boxes                the detector's boxes, filled
previous slice       the case's own label on the next slice that has it, as a reader has just accepted it
unet                 a U-Net trained on the other cases, see `learning/unet.py`

What accepted cases teach is learned once per case: the first method that needs it pays its seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from sam_infer.arrays import UInt8Array
from sam_infer.automatic.atlas import warped_labels
from sam_infer.automatic.best import Way
from sam_infer.automatic.detect import boxes_on
from sam_infer.automatic.expected import TRAINED, expected_labels
from sam_infer.automatic.modes import ModeOptions
from sam_infer.imaging.slice_view import SliceView
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.proposals.left_out import LeftOut
from sam_trainer.proposals.measuring import CANDIDATES, NOTHING

MODE, BASELINE = "mode", "baseline"

BEST, PREVIOUS, UNET = "best", "previous slice", "unet"
WARPED, VOTED = "warped label", "warped labels of 3"
COARSE, TRAINED_MAP, BOXES = "coarse map", "trained map", "boxes"

# The same modes as named options: all that `best` chooses from, and those that it does not.
WAYS = (
    *CANDIDATES,
    Way("selfprompt", ModeOptions(passes=1)),
    Way("selfprompt", ModeOptions(heads=TRAINED, passes=1)),
    Way("grid", ModeOptions(gallery="full")),
    Way("grid", ModeOptions(gallery="full", expects="map")),
    Way("propose"),
)

# `grid` with the previous slice as its prior.
GRID_PREVIOUS = ("grid prior=previous", "grid gallery=full prior=previous")

# What each mode must beat.
BASELINE_OF: Mapping[str, str] = {
    "atlas": WARPED,
    "atlas atlases=3": VOTED,
    "selfprompt": COARSE,
    "selfprompt passes=1": COARSE,
    "selfprompt heads=trained": TRAINED_MAP,
    "selfprompt heads=trained passes=1": TRAINED_MAP,
    "detect": BOXES,
    "grid": WARPED,
    "grid gallery=full": WARPED,
    "grid expects=map": COARSE,
    "grid gallery=full expects=map": COARSE,
    "grid prior=previous": PREVIOUS,
    "grid gallery=full prior=previous": PREVIOUS,
    "propose": NOTHING,
    BEST: NOTHING,
}

Namer = Callable[[Volume, SliceView], UInt8Array]


@dataclass(frozen=True, eq=False)
class Answer:
    """Values (H, W) on one slice, and what they took."""

    values: UInt8Array
    seconds: float


def kind_of(method: str) -> str:
    """Whether a method is a mode or a baseline."""
    return MODE if method in BASELINE_OF else BASELINE


def modes_on(left_out: LeftOut, index: int) -> dict[str, Callable[[], Answer]]:
    """Every mode on a slice; those with a previous slice are given it, as a reader has accepted it."""
    found: dict[str, Callable[[], Answer]] = {way.name: partial(_labelled, left_out, way, index) for way in WAYS}
    prior = left_out.previous(index)
    if prior is not None:
        for name, gallery in zip(GRID_PREVIOUS, ("near", "full"), strict=True):
            found[name] = partial(_labelled, left_out, Way("grid", ModeOptions(gallery=gallery)), index, prior)
    return found


def _labelled(left_out: LeftOut, way: Way, index: int, prior: Mask | None = None) -> Answer:
    return Answer(*left_out.asked.labels(way, index, prior))


def baselines_on(left_out: LeftOut, index: int, unet: Namer | None) -> dict[str, Callable[[], Answer]]:
    """Every baseline on a slice."""
    asked = left_out.asked
    view, search = asked.view(index), asked.search(index)

    def shown(make: Callable[[], Mask]) -> Callable[[], Answer]:
        return lambda: _timed(lambda: np.ascontiguousarray(view.extract(make().array)))

    found: dict[str, Callable[[], Answer]] = {
        NOTHING: lambda: Answer(np.zeros((view.height, view.width), np.uint8), 0.0),
        WARPED: shown(lambda: warped_labels(search, asked.teachers, 1)),
        VOTED: shown(lambda: warped_labels(search, asked.teachers, 3)),
        COARSE: shown(lambda: expected_labels(search, asked.teachers)),
        TRAINED_MAP: shown(lambda: expected_labels(search, asked.teachers, TRAINED)),
        BOXES: lambda: _timed(lambda: _boxes(left_out, index)),
    }
    prior = left_out.previous(index)
    if prior is not None:
        found[PREVIOUS] = shown(lambda: prior)
    if unet is not None:
        found[UNET] = lambda: _timed(lambda: unet(asked.volume, view))
    return found


def _boxes(left_out: LeftOut, index: int) -> UInt8Array:
    """The detector's boxes, the surest on top."""
    asked = left_out.asked
    view = asked.view(index)
    values = np.zeros((view.height, view.width), np.uint8)
    for found in sorted(boxes_on(asked.search(index), asked.teachers, index), key=lambda one: one.score):
        x0, y0, x1, y1 = (round(edge) for edge in found.box)
        values[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = found.label + 1
    return values


def _timed(make: Callable[[], UInt8Array]) -> Answer:
    started = time.perf_counter()
    values = make()
    return Answer(values, time.perf_counter() - started)
