"""The ledger: versions instead of overwriting, withdrawals as records, nothing acknowledged is lost."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask
from sam_trainer.errors import TrainingError
from sam_trainer.labels import ledger as module
from sam_trainer.labels.cases import Case, read_sources
from sam_trainer.labels.intake import recorded
from sam_trainer.labels.ledger import ACCEPTED, GONE, RECORDS, WITHDRAWN, Ledger
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.studies import Studies
from tests.processes import apart, wait_until
from tests.sam_trainer.labels.acceptances import accept
from tests.small_studies import flat_case


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.of(Studies.of(tmp_path / "studies"), tmp_path / "home")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    flat_case(tmp_path / "studies", "a", 0)
    return read_sources(tmp_path / "studies")[0].cases[0]


def relabelled(case: Case, shift: int) -> Path:
    mask = read_mask(case.label)
    return write_mask(Mask(np.asfortranarray(np.roll(mask.array, shift, 0)), mask.geometry), case.label)


def test_a_second_reading_is_a_version_and_the_first_stays(ledger: Ledger, case: Case) -> None:
    first = ledger.accept("a", case.label, {"reader": "ann", "model": "tiny", "adapter": "none"})
    before = case.label.read_bytes()
    second = ledger.accept("a", relabelled(case, 3), {"reader": "bob"})
    assert [(r.event, r.version, r.facts["reader"]) for r in ledger.records()] == [
        (ACCEPTED, 1, "ann"),
        (ACCEPTED, 2, "bob"),
    ]
    assert ledger.standing() == {"a": second}
    assert ledger.label(first).read_bytes() == before and ledger.label(second).read_bytes() == case.label.read_bytes()
    assert Ledger(ledger.folder).records() == [first, second]


def test_the_same_label_again_is_no_event(ledger: Ledger, case: Case) -> None:
    record = ledger.accept("a", case.label, {"reader": "ann"})
    assert ledger.accept("a", case.label, {"reader": "ann"}) == ledger.accept("a", case.label, {}) == record
    assert len(ledger.records()) == 1


def test_a_withdrawal_is_a_record_and_holds_until_there_is_another_label(ledger: Ledger, case: Case) -> None:
    first = ledger.accept("a", case.label, {})
    ledger.withdraw("a", {"why": "wrong side"})
    assert ledger.standing() == {} and ledger.records()[-1].event == WITHDRAWN
    ledger.accept("a", case.label, {})  # found again in the studies: it stays withdrawn
    assert ledger.standing() == {} and len(ledger.records()) == 2
    assert ledger.label(first).exists()
    again = ledger.accept("a", relabelled(case, 3), {})
    assert ledger.standing() == {"a": again} and again.version == 2
    with pytest.raises(TrainingError, match="no accepted label of 'b' to withdraw"):
        ledger.withdraw("b", {})


def test_what_is_gone_from_the_studies_does_not_teach_and_may_come_back(ledger: Ledger, case: Case) -> None:
    label = AcceptedLabel(case, facts={"reader": "ann"})
    (kept,) = recorded(ledger, [label], ["a"])
    assert kept.case.label.is_relative_to(ledger.folder) and kept.case.label.read_bytes() == case.label.read_bytes()
    # a label that could not be fetched today is still there
    assert recorded(ledger, [], ["a"]) == [] and "a" in ledger.standing()
    assert recorded(ledger, [], []) == [] and ledger.records()[-1].event == GONE
    assert ledger.standing() == {}
    assert len(recorded(ledger, [label], ["a"])) == 1 and ledger.standing()["a"].version == 2
    ledger.withdraw("a", {})
    assert recorded(ledger, [label], ["a"]) == []


def test_two_images_of_one_name_are_refused(ledger: Ledger, case: Case) -> None:
    with pytest.raises(TrainingError, match="two images are called 'a'"):
        recorded(ledger, [AcceptedLabel(case), AcceptedLabel(case)], ["a"])
    assert ledger.records() == []


def test_a_changed_copy_is_found(ledger: Ledger, case: Case) -> None:
    record = ledger.accept("a", case.label, {})
    copy = ledger.label(record)
    copy.chmod(0o644)
    copy.write_bytes(b"other")
    with pytest.raises(TrainingError, match="missing or was changed: submit it again"):
        ledger.label(record)


def test_a_line_cut_short_by_a_crash_is_passed_over(ledger: Ledger, case: Case) -> None:
    first = ledger.accept("a", case.label, {})
    with (ledger.folder / RECORDS).open("ab") as file:
        file.write(b'{"event": "accepted", "case": "a", "ver')
    assert ledger.records() == [first]
    second = ledger.accept("a", relabelled(case, 3), {})
    assert ledger.records() == [first, second]


def test_a_full_disk_is_a_sentence_and_leaves_what_was_there(
    ledger: Ledger, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ledger.accept("a", case.label, {})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.shutil, "copyfile", full)
    with pytest.raises(TrainingError, match=r"No space left.*free some space"):
        ledger.accept("a", relabelled(case, 3), {})
    monkeypatch.undo()
    assert ledger.records() == [first] and len(list((ledger.folder / "labels").iterdir())) == 1


def acknowledged(told: Path) -> list[tuple[str, ...]]:
    """Case, version and hash, line by line."""
    return [tuple(line.split()) for line in told.read_text().splitlines()] if told.exists() else []


def enough(told: Path, count: int) -> bool:
    return len(acknowledged(told)) >= count


@pytest.mark.slow
def test_two_writers_that_are_killed_lose_nothing_that_was_acknowledged(ledger: Ledger, tmp_path: Path) -> None:
    told: set[tuple[str, ...]] = set()
    for turn in range(2):
        files = [tmp_path / f"{who}{turn}" for who in ("ann", "bob")]
        ann, bob = (apart(accept, ledger.folder, f"{file.name}-", tmp_path, file) for file in files)
        with bob:
            with ann:
                wait_until(partial(enough, files[0], 9), "nine labels were accepted", every_s=0.002)
            wait_until(partial(enough, files[1], 14), "fourteen labels were accepted", every_s=0.002)
        told |= {line for file in files for line in acknowledged(file)}
        records = ledger.records()
        found = {(r.case, str(r.version), r.label_sha256) for r in records}
        assert told <= found and len(records) >= 2 * (9 + 14) * (turn + 1) / 2
        for record in records:
            assert ledger.label(record).exists() and record.facts["reader"] in record.case
        for case in {record.case for record in records}:
            versions = [record.version for record in records if record.case == case]
            assert versions == list(range(1, len(versions) + 1))


def test_every_studies_folder_and_archive_has_a_ledger_of_its_own(tmp_path: Path) -> None:
    places = ("a/x", "b/x", "http://pacs/dicom-web", "http://other/")
    assert len({Ledger.of(Studies.of(place), tmp_path).folder for place in places}) == 4
