"""Accepted cases measure the modes: each is left out in turn, and what every mode leaves to do on it is counted.

Bounded, see `Bounds`: a few cases, some spots of each, two minutes. What was counted when the time is over counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from sam_infer.automatic.best import FEWEST_CASES, PREVIOUS, Way
from sam_infer.automatic.example import AcceptedCase
from sam_infer.automatic.modes import ModeOptions
from sam_infer.errors import PromptError
from sam_infer.job import Job
from sam_infer.lru_cache import LruCache
from sam_infer.slices.predictor import Predictor
from sam_trainer.labels.cases import slice_axis
from sam_trainer.proposals.effort import Mending
from sam_trainer.proposals.left_out import REMEMBERED, LeftOut, Nested, NewCase, Spots

# Ways that `best` chooses from. Not `semantic`: accepted cases have taught the adapter, so they say nothing about it.
# Not the full gallery: of a whole volume it takes minutes.
CANDIDATES = (
    Way("atlas"),
    Way("atlas", ModeOptions(atlases=3)),
    Way("selfprompt"),
    Way("selfprompt", ModeOptions(heads="trained")),
    Way("detect"),
    Way("grid"),
    Way("grid", ModeOptions(expects="map")),
)

NOTHING = "nothing"  # no proposal: the reader begins with a click


@dataclass(frozen=True)
class Bounds:
    """How much is counted at most, and which labels lie inside which."""

    cases: int = 3
    spots: Spots = field(default_factory=lambda: Spots(slices=2, labels=4))
    seconds: float = 120.0
    nested: Nested = field(default_factory=dict)


@dataclass(frozen=True)
class Counted:
    """Clicks that are left at one spot after every way, by its name."""

    case: str
    label: str
    clicks: dict[str, int]


def count(
    predictor: Predictor,
    names: Sequence[str],
    cases: Sequence[AcceptedCase],
    bounds: Bounds | None = None,
    job: Job | None = None,
    memo: LruCache | None = None,
) -> list[Counted]:
    """What every candidate leaves to do on accepted cases, taught by the others; none of fewer than two cases."""
    if len(cases) < FEWEST_CASES:
        return []
    bounds = bounds or Bounds()
    until, found = time.monotonic() + bounds.seconds, list[Counted]()
    for case in cases[: bounds.cases]:
        axis = slice_axis(case.volume.geometry)
        teachers = [other for other in cases if other is not case]
        asked = NewCase(
            predictor, case.volume, axis, tuple(names), teachers, job or Job(), memo or LruCache(REMEMBERED)
        )
        left_out = LeftOut(asked, case.labels, bounds.nested)
        for index, shown in left_out.spots(bounds.spots):
            if found and time.monotonic() > until:
                return found
            found += _on_slice(left_out, index, shown)
    return found


def _on_slice(left_out: LeftOut, index: int, shown: Sequence[str]) -> Iterator[Counted]:
    """The labels of one slice."""
    asked = left_out.asked
    answers = {}
    for way in CANDIDATES:
        try:
            answers[way.name] = asked.labels(way, index)[0]
        except PromptError:  # e.g. no other case of its modality, or a label that nobody teaches
            continue
    if not answers:
        return
    view, beside = asked.view(index), left_out.previous(index)
    for name in shown:
        mending = Mending(asked.predictor, asked.volume, view, left_out.on(name, index))
        proposals = {way: left_out.of(name, values) for way, values in answers.items()}
        proposals[NOTHING] = np.zeros_like(mending.truth)
        if beside is not None:
            proposals[PREVIOUS.name] = left_out.of(name, np.ascontiguousarray(view.extract(beside.array)))
        job = asked.job.uncounted()
        clicks = {way: job.slice(partial(mending.after, mask)).clicks for way, mask in proposals.items()}
        yield Counted(asked.volume.digest, name, clicks)
