"""Fits an adapter's calibration on the cases that teach, and evaluates it on those that do not.

What a network says to a box and to a click is compared with the label, on pixels around the edge: far from it every
network is right, and a mean over the whole slice would call anybody calibrated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from sam_infer.adapters.store import AdapterStore
from sam_infer.arrays import BoolArray
from sam_infer.imaging.volume import Volume
from sam_infer.job import Job
from sam_infer.slices.predictor import NO_ADAPTER, Predictor
from sam_infer.uncertainty.calibration import Calibration, Said, calibrated
from sam_infer.uncertainty.measures import REGION_MM, near
from sam_trainer.labels.cases import Case, Target, case_tags, labelled_image, targets_of
from sam_trainer.labels.round import HELD_OUT, AcceptedLabel, part_of
from sam_trainer.simulation.prompt_styles import drawn

# One label may be a sloppy one, and a temperature would follow it anywhere.
LEAST_CASES = 3

# Objects per case, and pixels per answer: more say the same again.
OBJECTS, PIXELS = 3, 1500
ASKED = ("S5", "S2")


def calibration_file(model: str, adapter: str, home: Path | None = None) -> Path:
    """Where the temperature of an adapter lies."""
    return AdapterStore(model, home).folder / f"calibration-{adapter}.json"


def calibrations(model: str, home: Path | None = None) -> dict[str, Calibration]:
    """What is known about the network without an adapter and about every adapter, the oldest first."""
    names = (NO_ADAPTER, *(stored.id for stored in AdapterStore(model, home).adapters()))
    found = {name: Calibration.read(calibration_file(model, name, home)) for name in names}
    return {name: one for name, one in found.items() if one.cases}


def calibrate(
    predictor: Predictor, accepted: Sequence[AcceptedLabel], seed: int = 0, job: Job | None = None
) -> Calibration:
    """The calibration of the network as it serves; uncalibrated where too little is labelled."""
    parts: dict[bool, list[Case]] = {True: [], False: []}
    for entry in accepted:
        parts[part_of(entry.patient or entry.case.name) == HELD_OUT].append(entry.case)
    if len(parts[False]) < LEAST_CASES:
        return Calibration()
    fit, judged = (said_about(predictor, parts[held], seed, job) for held in (False, True))
    if fit is None:
        return Calibration()
    found = calibrated(fit, judged, (len(parts[False]), len(parts[True])))
    return replace(found, weights=predictor.known_as)


def said_about(predictor: Predictor, cases: Sequence[Case], seed: int, job: Job | None = None) -> Said | None:
    """What the network says about the cases' objects; None where there is no object."""
    rng, job = np.random.default_rng(seed), job or Job()
    found = []
    for case in cases:
        volume, _ = labelled_image(case)
        own = predictor.about(partial(case_tags, case, volume))
        for target in _spread(targets_of(case)):
            for strategy in ASKED:
                said = job.slice(partial(_asked, own, volume, target, strategy))
                keep = rng.permutation(len(said.logits))[:PIXELS]
                found.append(replace(said, logits=said.logits[keep], truth=said.truth[keep]))
    if not found:
        return None
    logits, scores, ious = (
        np.concatenate([getattr(one, name) for one in found]) for name in ("logits", "scores", "ious")
    )
    return Said(logits, np.concatenate([one.truth for one in found]), scores, ious)


def _spread(targets: Sequence[Target]) -> list[Target]:
    """At most `OBJECTS` of a case, evenly over its labels and slices."""
    count = min(len(targets), OBJECTS)
    return [targets[int((n + 0.5) * len(targets) / count)] for n in range(count)]


def _asked(predictor: Predictor, volume: Volume, target: Target, strategy: str) -> Said:
    prompts = drawn(target.mask, strategy).on(target.view)
    answer = predictor.predict(volume, prompts, target.view.index)
    reach = REGION_MM / min(target.view.pixel_mm)
    either = (answer.logits > 0) | target.mask
    edge = near(either, reach) & ~_core(target.mask & (answer.logits > 0), reach)
    either_count, both_count = int(either.sum()), int((target.mask & (answer.logits > 0)).sum())
    return Said(
        answer.logits[edge].astype(np.float64),
        target.mask[edge],
        np.array([answer.score], np.float64),
        np.array([both_count / max(either_count, 1)]),
    )


def _core(mask: BoolArray, reach: float) -> BoolArray:
    """The inside of a mask, farther than `reach` from its edge."""
    return ~near(~mask, reach) if not mask.all() else np.zeros_like(mask)
