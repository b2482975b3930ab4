"""How a label comes into the ledger: known ones cost a look, new ones are asked how they were made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.image_file import read_mask, write_mask
from sam_infer.imaging.volume import Mask
from sam_trainer.labels.cases import Case, read_sources
from sam_trainer.labels.intake import Making, recorded, take_in
from sam_trainer.labels.ledger import QUARANTINED, Ledger, Record
from sam_trainer.labels.quarantine import Earlier
from sam_trainer.labels.round import AcceptedLabel
from sam_trainer.studies import Studies
from tests.small_studies import flat_case


@pytest.fixture
def cases(tmp_path: Path) -> tuple[Case, ...]:
    for number, name in enumerate("abc"):
        flat_case(tmp_path / "studies", name, number)
    return read_sources(tmp_path / "studies")[0].cases


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger.of(Studies.of(tmp_path / "studies"), tmp_path / "home")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for every time that the ledger's file is read."""
    read: Callable[[Ledger], list[Record]] = Ledger.records
    told: list[str] = []
    monkeypatch.setattr(Ledger, "records", lambda ledger: told.append("read") or read(ledger))
    return told


def test_a_new_label_comes_with_how_it_was_made_and_a_known_one_is_not_asked(
    ledger: Ledger, cases: tuple[Case, ...], reads: list[str]
) -> None:
    entry = AcceptedLabel(cases[0], facts={"reader": "ann"})
    taken = take_in(ledger, entry, lambda: Making({"clicks": 3, "reader": "nobody"}))
    assert taken.new and (taken.record.facts["clicks"], taken.record.facts["reader"]) == (3, "ann")
    assert len(reads) == 2  # to see that it is new, and again where nobody else can write
    again = take_in(ledger, entry, lambda: pytest.fail("a known label was asked how it was made"))
    assert again.record == taken.record and not again.new and len(reads) == 3


def test_the_record_says_whether_the_label_waits(ledger: Ledger, cases: tuple[Case, ...]) -> None:
    label = read_mask(cases[0].label)
    proposed = Mask(np.asfortranarray(np.where(label.array, 0, 1).astype(np.uint8)), label.geometry)
    made = Making(proposal=Earlier("its proposal", proposed, {1: "disk"}, proposal=True))
    named = replace(cases[0], labels={1: "disk", 2: "ring", 3: "core"})
    taken = take_in(ledger, AcceptedLabel(named), lambda: made)
    assert taken.new and taken.record.event == QUARANTINED
    assert [doubt["reason"] for doubt in taken.record.doubts] == ["gross_disagreement"]
    known = take_in(ledger, AcceptedLabel(cases[0]))
    assert not known.new and known.record.event == QUARANTINED


def test_many_known_labels_are_looked_at_together(ledger: Ledger, cases: tuple[Case, ...], reads: list[str]) -> None:
    entries, names = [AcceptedLabel(case) for case in cases], [case.name for case in cases]
    assert len(recorded(ledger, entries, names)) == 3
    reads.clear()
    assert len(recorded(ledger, entries, names)) == 3 and len(reads) == 2
    write_mask(Mask.empty(read_mask(cases[0].label).geometry), cases[0].label)
    assert [entry.case.name for entry in recorded(ledger, entries, names)] == ["b", "c"]
