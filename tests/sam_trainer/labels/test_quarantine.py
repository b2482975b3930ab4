"""Labels that must not teach before somebody has looked at them, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam_infer.arrays import UInt8Array
from sam_infer.imaging.image_file import write_image, write_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case
from sam_trainer.labels.intake import recorded
from sam_trainer.labels.laterality import LEFT, RIGHT, side_of
from sam_trainer.labels.ledger import ACCEPTED, QUARANTINED, RELEASED, WITHDRAWN, Ledger
from sam_trainer.labels.quarantine import (
    DISAGREEMENT,
    EMPTY,
    MISSING_SLICES,
    OTHER_GEOMETRY,
    SWAPPED_SIDES,
    UNKNOWN_VALUE,
    Earlier,
    QuarantinePolicy,
    doubts_about,
)
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.synthetic.patients import abdomen, grid, render

Labels = UInt8Array

NAMES = {1: "liver", 2: "spleen", 3: "kidney_right", 4: "kidney_left", 5: "aorta", 6: "vertebra"}


@pytest.fixture(scope="module")
def scan() -> tuple[Volume, Mask]:
    """An abdomen whose rows run to the patient's left: as scanners store it."""
    return render(
        abdomen(np.random.default_rng(0)), grid((80, 60, 24), (4.0, 4.0, 8.0)), "CT", np.random.default_rng(0)
    )


@pytest.fixture
def case(scan: tuple[Volume, Mask], tmp_path: Path) -> Case:
    write_image(scan[0], tmp_path / "studies" / "a.nii.gz")
    write_mask(scan[1], tmp_path / "studies" / "labels" / "final" / "a.nii.gz")
    return _case(tmp_path / "studies")


def _case(studies: Path) -> Case:
    return Case("studies", "a", studies / "a.nii.gz", studies / "labels" / "final" / "a.nii.gz", "CT", NAMES, {})


def relabelled(case: Case, change: Callable[[Labels], Labels], scan: tuple[Volume, Mask]) -> Case:
    changed = np.asfortranarray(change(scan[1].array.copy()))
    write_mask(Mask(changed, scan[1].geometry), case.label)
    return case


def mirrored(labels: Labels) -> Labels:
    return labels[::-1]


def emptied(labels: Labels) -> Labels:
    return np.zeros_like(labels)


def with_a_stray_value(labels: Labels) -> Labels:
    labels[2:5, 2:5, 2:5] = 9
    return labels


def without_a_slice(labels: Labels) -> Labels:
    there = np.flatnonzero((labels == 1).any(axis=(0, 1)))
    labels[..., there[len(there) // 2]][labels[..., there[len(there) // 2]] == 1] = 0
    return labels


def only_some_slices(labels: Labels) -> Labels:
    labels[..., np.arange(labels.shape[2]) % 3 > 0] = 0
    return labels


def only_mirrored_liver(labels: Labels) -> Labels:
    return np.where(labels[::-1] == 1, 1, 0).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        (mirrored, SWAPPED_SIDES, "left and right may be swapped"),
        (only_mirrored_liver, SWAPPED_SIDES, "liver lies on the patient's left"),
        (emptied, EMPTY, "nothing is marked"),
        (with_a_stray_value, UNKNOWN_VALUE, "holds 9"),
        (without_a_slice, MISSING_SLICES, "liver has a hole"),
    ],
)
def test_what_is_odd_is_found_and_nothing_else(
    case: Case, scan: tuple[Volume, Mask], change: Callable[[Labels], Labels], reason: str, said: str
) -> None:
    assert doubts_about(case) == []
    (doubt,) = doubts_about(relabelled(case, change, scan))
    assert doubt.reason == reason and said in doubt.sentence


def test_slices_labelled_here_and_there_are_a_way_to_work(case: Case, scan: tuple[Volume, Mask]) -> None:
    assert doubts_about(relabelled(case, only_some_slices, scan)) == []


def test_ultrasound_has_no_sides_and_a_loop_no_holes(case: Case, scan: tuple[Volume, Mask]) -> None:
    for change in (mirrored, without_a_slice):
        assert doubts_about(replace(relabelled(case, change, scan), modality="US")) == []


def test_another_grid(case: Case, scan: tuple[Volume, Mask]) -> None:
    moved = scan[1].geometry.affine.copy()
    moved[0, 3] += 30
    write_mask(Mask(scan[1].array, replace(scan[1].geometry, affine=moved)), case.label)
    (doubt,) = doubts_about(case)
    assert doubt.reason == OTHER_GEOMETRY and "resample it to the image first" in doubt.sentence


def test_gross_disagreement_counts_where_the_earlier_label_looked(case: Case, scan: tuple[Volume, Mask]) -> None:
    elsewhere = Mask(np.asfortranarray(np.roll(scan[1].array, 30, axis=1)), scan[1].geometry)
    doubts = doubts_about(case, [Earlier("version 1", elsewhere, NAMES)])
    assert {doubt.reason for doubt in doubts} == {DISAGREEMENT} and "agrees with version 1" in doubts[0].sentence
    one = scan[1].array.copy()
    one[..., np.arange(24) != 12] = 0
    assert doubts_about(case, [Earlier("version 1", Mask(np.asfortranarray(one), scan[1].geometry), NAMES)]) == []
    # a reader may correct a network further than another reader
    near = Mask(np.asfortranarray(np.roll(scan[1].array, 2, axis=0)), scan[1].geometry)
    strict = QuarantinePolicy(least_agreement=0.95)
    assert doubts_about(case, [Earlier("version 1", near, NAMES)], strict)
    assert not doubts_about(case, [Earlier("its proposal", near, NAMES, proposal=True)], strict)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("kidney_left", LEFT),
        ("Left Kidney", LEFT),
        ("lung (R)", RIGHT),
        ("liver", RIGHT),
        ("spleen", LEFT),
        ("aorta", None),
        ("L1", None),
        ("left-right shunt", None),
        ("liver lesion", None),
    ],
)
def test_sides_in_names(name: str, side: int | None) -> None:
    assert side_of(name) == side


def test_a_label_in_quarantine_teaches_when_it_is_released_and_says_who_did(
    case: Case, scan: tuple[Volume, Mask], tmp_path: Path
) -> None:
    ledger, entry = Ledger(tmp_path / "ledger"), AcceptedLabel(case, facts={"reader": "ann"})
    assert [e.case.label.parent for e in recorded(ledger, [entry], ["a"])] == [tmp_path / "ledger" / "labels"]
    relabelled(case, with_a_stray_value, scan)
    with pytest.raises(TrainingError, match="every accepted label is in quarantine"):
        recorded(ledger, [entry], ["a"])
    # the first version does not stand in for the one in doubt, and nothing is lost
    assert ledger.standing() == {} and ledger.label(ledger.records()[0]).exists()
    (held,) = ledger.quarantine().values()
    assert (held.version, held.facts["reader"], held.doubts[0]["values"]) == (2, "ann", [9])
    released = ledger.release("a", {"released_by": "bob"})
    assert (released.event, released.version, released.facts["released_by"]) == (RELEASED, 2, "bob")
    (teaching,) = recorded(ledger, [entry], ["a"])
    assert teaching.case.labels[9] == "label 9" and teaching.case.labels[1] == "liver"
    with pytest.raises(TrainingError, match="nothing to release"):
        ledger.release("a", {})
    assert [record.event for record in ledger.records()] == [ACCEPTED, QUARANTINED, RELEASED]


def test_a_released_label_stays_so_when_it_comes_back(case: Case, scan: tuple[Volume, Mask], tmp_path: Path) -> None:
    ledger, entry = Ledger(tmp_path / "ledger"), AcceptedLabel(relabelled(case, mirrored, scan))
    with pytest.raises(TrainingError, match="in quarantine"):
        recorded(ledger, [entry], ["a"])
    ledger.release("a", {})
    assert recorded(ledger, [], []) == [] and len(recorded(ledger, [entry], ["a"])) == 1
    assert ledger.records()[-1].event == ACCEPTED


def test_what_cannot_be_used_is_not_released_but_can_be_withdrawn(
    case: Case, scan: tuple[Volume, Mask], tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger")
    write_mask(Mask(np.ones((4, 4, 4), np.uint8, order="F"), grid((4, 4, 4), (1, 1, 1))), case.label)
    with pytest.raises(TrainingError, match="in quarantine"):
        recorded(ledger, [AcceptedLabel(case)], ["a"])
    with pytest.raises(TrainingError, match="submit a corrected one"):
        ledger.release("a", {})
    assert ledger.withdraw("a", {"why": "wrong file"}).event == WITHDRAWN and ledger.quarantine() == {}
