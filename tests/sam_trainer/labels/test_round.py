"""Rounds: a case's part never changes, and a round is what it was when it was opened."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask
from sam_trainer.errors import TrainingError
from sam_trainer.labels.cases import Case, read_sources
from sam_trainer.labels.intake import recorded
from sam_trainer.labels.ledger import Ledger
from sam_trainer.labels.round import HELD_OUT, TRAIN, VALIDATION, AcceptedLabel, open_round, part_of, read_round
from tests.hostile.corpus import few
from tests.small_studies import flat_case


def cases_of(folder: Path, *names: str) -> list[Case]:
    for n, name in enumerate(names):
        flat_case(folder, name, n)
    return list(read_sources(folder)[0].cases)


def accepted(cases: list[Case], patient: str = "") -> list[AcceptedLabel]:
    return [AcceptedLabel(case, patient) for case in cases]


def test_a_patient_belongs_to_one_part_for_ever() -> None:
    # the contract with every adapter that was ever trained: these must not change
    assert {name: part_of(name) for name in ("case1", "e", "a", "flat_0", "l")} == {
        "case1": HELD_OUT,
        "e": VALIDATION,
        "a": TRAIN,
        "flat_0": TRAIN,
        "l": HELD_OUT,
    }
    found = Counter(part_of(f"patient {n}") for n in range(2000))
    assert 350 < found[HELD_OUT] < 450 and 150 < found[VALIDATION] < 250


def test_the_patient_decides_not_the_image(tmp_path: Path) -> None:
    cases = cases_of(tmp_path / "studies", "a", "b", "case1")
    found = open_round([AcceptedLabel(cases[0], "case1"), *accepted(cases[1:])], tmp_path / "round")
    assert [entry.part for entry in found.cases] == [HELD_OUT, TRAIN, HELD_OUT]


def test_where_more_must_watch_a_third_of_those_who_would_teach_does_and_nobody_who_judges(tmp_path: Path) -> None:
    names = [name for name in (f"p{n}" for n in range(40)) if part_of(name) == TRAIN][:7]
    cases = cases_of(tmp_path / "studies", *names, "case1")

    def parts(count: int, watching: int, folder: str) -> Counter[str]:
        found = open_round(accepted([*cases[:count], cases[-1]]), tmp_path / folder, watching)
        assert read_round(tmp_path / folder) == found
        return Counter(entry.part for entry in found.cases)

    cases = sorted(cases, key=lambda case: case.name == "case1")
    assert parts(7, 0, "a") == {TRAIN: 7, HELD_OUT: 1}
    assert parts(7, 2, "b") == {TRAIN: 5, VALIDATION: 2, HELD_OUT: 1}
    assert parts(3, 2, "c") == {TRAIN: 2, VALIDATION: 1, HELD_OUT: 1}
    assert parts(2, 2, "d") == {TRAIN: 2, HELD_OUT: 1}
    watching = [{case.name for case in read_round(tmp_path / folder).of(VALIDATION)} for folder in ("b", "c")]
    again = open_round(list(reversed(accepted(cases))), tmp_path / "e", 2)
    assert {case.name for case in again.of(VALIDATION)} == watching[0] and len(watching[1]) == 1


def test_a_round_keeps_the_labels_it_was_opened_with(tmp_path: Path) -> None:
    (case,) = cases_of(tmp_path / "studies", "a")
    found = open_round(accepted([case]), tmp_path / "round")
    old = read_mask(case.label)
    write_mask(Mask(np.asfortranarray(old.array[::-1]), old.geometry), case.label)
    again = read_round(tmp_path / "round")
    assert again == found
    np.testing.assert_array_equal(read_mask(again.of(TRAIN)[0].label).array, old.array)
    write_mask(Mask(np.asfortranarray(old.array[::-1]), old.geometry), again.cases[0].case.label)
    with pytest.raises(TrainingError, match="label of a was changed"):
        read_round(tmp_path / "round")


def test_what_cannot_teach_is_left_out_with_a_reason(tmp_path: Path) -> None:
    cases = cases_of(tmp_path / "studies", "a", "b", "c", "d")
    empty, other, unknown = cases[1:]
    mask = read_mask(empty.label)
    write_mask(Mask.empty(mask.geometry), empty.label)
    smaller = flat_case_geometry(mask, 90)
    write_mask(smaller, other.label)
    named = Case(**{**vars(unknown), "labels": {1: "disk"}})
    found = open_round(accepted([cases[0], empty, other, named]), tmp_path / "round")
    assert [entry.case.name for entry in found.cases] == ["a"]
    reasons = dict(zip("bcd", found.left_out, strict=True))
    assert "is empty" in reasons["b"] and "another grid" in reasons["c"] and "the value 2" in reasons["d"]


def flat_case_geometry(mask: Mask, width: int) -> Mask:
    array = np.asfortranarray(mask.array[:width])
    return Mask(array, type(mask.geometry)((width, *mask.geometry.shape[1:]), mask.geometry.affine))


def test_nothing_to_learn_from_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no accepted label yet"):
        open_round([], tmp_path / "round")
    (held,) = cases_of(tmp_path / "studies", "case1")
    with pytest.raises(TrainingError, match="all 1 of them are kept to judge"):
        open_round(accepted([held]), tmp_path / "round")
    write_mask(Mask.empty(read_mask(held.label).geometry), held.label)
    with pytest.raises(TrainingError, match=r"case1 is left out: .* is empty"):
        open_round(accepted([held]), tmp_path / "round")


def test_hostile_images_and_labels_cost_one_case_each(tmp_path: Path) -> None:
    (good,) = cases_of(tmp_path / "studies", "a")
    (tmp_path / "hostile").mkdir()
    bad = []
    for number, file in enumerate(few()):
        path = file.written(tmp_path / "hostile")
        bad.append(Case(**{**vars(good), "name": f"image{number}", "image": path}))
        bad.append(Case(**{**vars(good), "name": f"label{number}", "label": path}))
    counting = recorded(Ledger(tmp_path / "ledger"), accepted([good, *bad]), [case.name for case in (good, *bad)])
    assert len(counting) == 1 + len(bad)
    found = open_round(counting, tmp_path / "round")
    assert [entry.case.name for entry in found.cases] == ["a"] and len(found.left_out) == len(bad)
    assert not any(str(tmp_path) in sentence for sentence in found.left_out)
