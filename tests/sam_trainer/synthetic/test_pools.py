"""The pools are frozen: a strategy that is tuned on other voxels is another experiment."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import read_sources
from sam_trainer.labels.round import part_of
from sam_trainer.synthetic.lesion_patients import KINDS, Patient, picture
from sam_trainer.synthetic.pools import CANDIDATE, GRADED, JUDGE, PARTS, POOLS, TEST, pool, write_pool

# Made once, before any strategy was tuned.
FROZEN = {
    "node": "cf53b7debcd8 -67245",
    "rimmed": "404dcf461066 -67220",
    "hollow": "404dcf461066 -67426",
    "target": "563bfd433f12 -67365",
}


def digest(patient: Patient) -> str:
    """Of the truth, which no other version of numpy rounds differently, and of coarse intensities."""
    volume, mask = picture(patient)
    coarse = (volume.array.astype(np.int64) + 4) // 64
    near = np.packbits(mask.array.ravel(order="F")).tobytes()
    return hashlib.sha256(near).hexdigest()[:12] + f" {int(coarse.sum())}"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_what_it_was(kind: str) -> None:
    assert digest(Patient(kind, (0, 1, 2))) == FROZEN[kind]


@pytest.mark.parametrize("name", [*POOLS, GRADED])
def test_names_fit_their_parts_and_seeds_differ(name: str) -> None:
    cases, other = pool(name, 3), pool(name, 4)
    assert cases == pool(name, 3) and [c.patient for c in cases] != [c.patient for c in other]
    assert len({case.name for case in cases}) == len(cases)
    assert all(part_of(case.name) == PARTS[case.role] for case in cases)


def test_pools_are_what_they_are_called() -> None:
    kinds = {name: Counter(c.patient.kind for c in pool(name, 0) if c.role == CANDIDATE) for name in POOLS}
    assert kinds["homogeneous"] == {"rimmed": 30}
    assert kinds["imbalanced"] == {"node": 24, "rimmed": 3, "target": 3}
    patients = Counter(c.patient.seed for c in pool("redundant", 0) if c.role == CANDIDATE)
    assert sum(n for n in patients.values() if n > 1) == 21 and len(patients) == 4 + 9
    for name in POOLS:
        for role in (JUDGE, TEST):
            counts = Counter(c.patient.kind for c in pool(name, 0) if c.role == role)
            assert len(set(counts.values())) <= 1 or max(counts.values()) - min(counts.values()) == 1
    with pytest.raises(TrainingError, match="homogeneous, imbalanced, redundant"):
        pool("easy", 0)


def test_a_later_visit_is_the_same_patient_and_not_the_same_picture() -> None:
    first, second = picture(Patient("node", (0, 1), visit=0)), picture(Patient("node", (0, 1), visit=1))
    other = picture(Patient("node", (0, 2)))
    both, apart = (first[1].array & second[1].array).sum(), (first[1].array & other[1].array).sum()
    assert both > 0.8 * first[1].array.sum() > apart and not np.array_equal(first[0].array, second[0].array)


def test_a_written_pool_is_a_studies_folder(tmp_path: Path) -> None:
    cases = pool("redundant", 1)[-3:]
    folder = write_pool(cases, tmp_path / "pool")
    (source,) = read_sources(folder)
    assert sorted(case.name for case in source.cases) == sorted(case.name for case in cases)
    assert source.cases[0].labels == {1: "lesion"}
