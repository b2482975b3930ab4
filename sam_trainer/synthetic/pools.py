"""Frozen case pools of the active-learning benches: three to compare strategies, one to compare scores.

    homogeneous   every case is of one kind: what is chosen should not matter
    imbalanced    four of five cases are easy, the rest are of two rare kinds that are hard
    redundant     seven of ten cases are near-duplicates: later visits of four patients
    graded        all kinds, from clear to hardly visible: for the correlation of score and error

A seed gives another pool of the same kind. Cases that judge adapters, validate them and measure the outcome are drawn
apart and hold every kind of the pool equally often: a reader's clicks on a rare kind count as much.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam_infer.imaging.image_file import write_image, write_mask
from sam_trainer.errors import TrainingError
from sam_trainer.labels.round import HELD_OUT, TRAIN, VALIDATION, part_of
from sam_trainer.synthetic.lesion_patients import LABELS, Patient, picture

POOLS = ("homogeneous", "imbalanced", "redundant")
GRADED = "graded"

# What a case is for: to be chosen or not; to judge adapters; to validate them; to measure what readers gain.
CANDIDATE, JUDGE, WATCH, TEST = "candidate", "judge", "watch", "test"
PARTS = {CANDIDATE: TRAIN, JUDGE: HELD_OUT, WATCH: VALIDATION, TEST: HELD_OUT}

CANDIDATES = 30

# Cases of each role but the first; shared evenly by the kinds of a pool.
OTHERS = {JUDGE: 6, WATCH: 3, TEST: 12}

GRADED_CASES, GRADED_LABELLED = 60, 8


@dataclass(frozen=True)
class PoolCase:
    """One case of a pool."""

    name: str  # its hash decides its part in every training, so it is made to fit the role
    role: str
    patient: Patient


def pool(name: str, seed: int) -> list[PoolCase]:
    """The cases of one of `POOLS`, or of `GRADED`."""
    if name == GRADED:
        return _graded(seed)
    if name not in POOLS:
        raise TrainingError(f"pool must be one of {', '.join((*POOLS, GRADED))}, got {name!r}", "pools")
    number = POOLS.index(name)
    kinds, candidates = _candidates(name, number, seed)
    cases = [PoolCase(name_for(f"{name}-{n:02d}", TRAIN), CANDIDATE, who) for n, who in enumerate(candidates)]
    for place, (role, count) in enumerate(OTHERS.items(), 1):
        for n in range(count):
            who = Patient(kinds[n % len(kinds)], (seed, number, place, n))
            cases.append(PoolCase(name_for(f"{name}-{role}-{n:02d}", PARTS[role]), role, who))
    return cases


def _candidates(name: str, number: int, seed: int) -> tuple[Sequence[str], list[Patient]]:
    """The kinds of a pool, and who may be chosen, in an order that says nothing."""

    def new(kind: str, n: int, visit: int = 0) -> Patient:
        return Patient(kind, (seed, number, 0, n), visit=visit)

    kinds: tuple[str, ...]
    if name == "homogeneous":
        kinds = ("rimmed",)
        found = [new("rimmed", n) for n in range(CANDIDATES)]
    elif name == "imbalanced":
        kinds = ("node", "rimmed", "target")
        rare = CANDIDATES // 10
        found = [new("rimmed" if n < rare else "target" if n < 2 * rare else "node", n) for n in range(CANDIDATES)]
    else:
        kinds = ("node", "rimmed", "hollow", "target")
        again = CANDIDATES * 7 // 10
        found = [new("node", n % 4, n // 4) for n in range(again)]
        found += [new(kinds[1 + n % 3], n) for n in range(again, CANDIDATES)]
    order = np.random.default_rng((seed, number)).permutation(len(found))
    return kinds, [found[n] for n in order]


def _graded(seed: int) -> list[PoolCase]:
    rng = np.random.default_rng((seed, 99))
    kinds = ("node", "rimmed", "hollow", "target")
    cases = []
    for n in range(GRADED_CASES + GRADED_LABELLED):
        labelled = n >= GRADED_CASES
        contrast = 1.0 if labelled else float(rng.uniform(0.15, 1.2))
        noise = 1.0 if labelled else float(rng.uniform(0.5, 2.5))
        who = Patient(kinds[n % 4], (seed, 99, n), contrast, noise)
        role = JUDGE if labelled else CANDIDATE
        cases.append(PoolCase(name_for(f"graded-{role}-{n:02d}", PARTS[role]), role, who))
    return cases


def name_for(beginning: str, part: str) -> str:
    """The first name with this beginning whose hash belongs to a part of the split."""
    names = (f"{beginning}-{n}" for n in range(10_000))
    return next(name for name in names if part_of(name) == part)


def write_pool(cases: Sequence[PoolCase], folder: Path) -> Path:
    """A pool as a labelled studies folder, once; `dataset.json` is written last and says that it is complete."""
    if (folder / "dataset.json").exists():
        return folder
    described = {}
    for case in cases:
        volume, mask = picture(case.patient)
        write_image(volume, folder / f"{case.name}.nii.gz")
        write_mask(mask, folder / "labels" / "final" / f"{case.name}.nii.gz")
        described[case.name] = {
            "modality": "CT",
            "labels": {str(v): name for v, name in LABELS.items()},
            "role": case.role,
            "kind": case.patient.kind,
        }
    (folder / "dataset.json").write_text(json.dumps({"cases": described, "origin": "procedural"}, indent=1))
    return folder
