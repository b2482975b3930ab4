"""Several readers of one case: whose newest label counts as a reading, and what is decided between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_infer.imaging.geometry import Geometry
from sam_infer.imaging.image_file import write_mask
from sam_infer.imaging.volume import Mask
from sam_trainer.errors import TrainingError
from sam_trainer.labels.ledger import ACCEPTED, ADJUDICATED, STANDING, Ledger
from sam_trainer.labels.readings import SideBySide, readings_in, readings_of

GRID = Geometry((8, 6, 4), np.diag([1.0, 2.0, 3.0, 1.0]))


def label_map(folder: Path, name: str, *boxes: tuple[int, int]) -> Path:
    """A file in which label n covers the n-th range of i."""
    array = np.zeros(GRID.shape, np.uint8)
    for value, (start, stop) in enumerate(boxes, 1):
        array[start:stop, 1:4, 1:3] = value
    return write_mask(Mask(array, GRID), folder / f"{name}.nii.gz")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Case `a`, read by anna, then by bert, who calls values by other numbers."""
    found = Ledger(tmp_path / "home" / "ledger" / "key")
    found.accept("a", label_map(tmp_path, "anna", (1, 4), (5, 7)), {"reader": "anna", "labels": {"1": "x", "2": "y"}})
    found.accept("a", label_map(tmp_path, "bert", (5, 7), (1, 5)), {"reader": "bert", "labels": {"1": "y", "2": "x"}})
    return found


def test_each_named_reader_has_a_newest_reading(ledger: Ledger, tmp_path: Path) -> None:
    ledger.accept("a", label_map(tmp_path, "again", (2, 4)), {"reader": "anna", "labels": {"1": "x"}})
    ledger.accept("b", label_map(tmp_path, "alone", (2, 4)), {"reader": "anna"})
    ledger.accept("b", label_map(tmp_path, "nobody", (2, 5)), {"reader": "local"})
    ledger.accept("b", label_map(tmp_path, "tool", (2, 6)), {"reader": "bert", "imported": True})
    found = readings_of(ledger.records())
    assert [(r.reader, r.version) for r in found["a"].records] == [("bert", 2), ("anna", 3)]
    assert found["a"].several and not found["b"].several and found["b"].records[0].reader == "anna"
    assert found["a"].of(2).reader == "bert"
    with pytest.raises(TrainingError, match=r"no reading of version 1; there are 2 \(bert\), 3 \(anna\)"):
        found["a"].of(1)  # anna has another opinion now; the ledger still has that one
    assert sorted(record.version for record in ledger.records() if record.case == "a") == [1, 2, 3]
    with pytest.raises(TrainingError, match="was ever accepted"):
        readings_in(ledger, "never")


def test_who_marks_the_same_is_a_reader_all_the_same(ledger: Ledger, tmp_path: Path) -> None:
    same = label_map(tmp_path, "bert2", (5, 7), (1, 5))
    assert ledger.accept("a", same, {"reader": "bert"}).version == 2
    assert ledger.accept("a", same, {}).version == 2  # found in a folder: nobody says who
    assert ledger.accept("a", same, {"reader": "carl", "imported": True}).version == 2
    third = ledger.accept("a", same, {"reader": "carl", "labels": {"1": "y", "2": "x"}})
    assert (third.event, third.version) == (ACCEPTED, 3)
    assert [r.reader for r in readings_in(ledger, "a").records] == ["anna", "bert", "carl"]


def test_a_decision_counts_and_is_no_reading(ledger: Ledger, tmp_path: Path) -> None:
    chosen = ledger.label(readings_in(ledger, "a").of(1))
    record = ledger.adjudicate("a", chosen, {"reader": "carl", "choice": "1"})
    assert (record.event, record.version) == (ADJUDICATED, 1) and ADJUDICATED in STANDING
    assert ledger.standing()["a"] == record and ledger.label(record) == chosen
    own = ledger.adjudicate("a", label_map(tmp_path, "own", (1, 3)), {"reader": "carl", "choice": "drawn"})
    assert own.version == 3
    found = readings_in(ledger, "a")
    assert found.decision == own and [r.version for r in found.records] == [1, 2]
    # the store's label is taken in again with each training: it is known, whoever is said to have made it
    assert ledger.accept("a", ledger.label(own), {"reader": "dora"}) == own
    ledger.withdraw("a", {})
    assert readings_in(ledger, "a").decision is None and readings_in(ledger, "a").several
    ledger.adjudicate("a", chosen, {"reader": "carl"})
    ledger.accept("a", label_map(tmp_path, "later", (2, 3)), {"reader": "dora"})
    assert readings_in(ledger, "a").decision is None  # somebody came after it: the question is open again


def test_a_withdrawn_reading_is_none(ledger: Ledger) -> None:
    ledger.withdraw("a", {})
    assert [r.reader for r in readings_in(ledger, "a").records] == ["anna"]


def test_side_by_side_one_name_has_one_value(ledger: Ledger, tmp_path: Path) -> None:
    both = SideBySide.of(ledger, readings_in(ledger, "a").records)
    assert (both.names, both.versions, both.readers) == (("x", "y"), (1, 2), ("anna", "bert"))
    anna, bert = (mask.array for mask in both.masks)
    assert (bert[5:7, 1:4, 1:3] == 2).all() and (anna[1:4, 1:4, 1:3] == 1).all()
    assert both.box == (slice(0, 8), slice(0, 5), slice(0, 4))
    np.testing.assert_array_equal(both.whole(both.parts[1]).array, bert)
    empty = write_mask(Mask.empty(GRID), tmp_path / "empty.nii.gz")
    ledger.accept("c", empty, {"reader": "anna"})
    assert SideBySide.of(ledger, readings_in(ledger, "c").records).parts[0].shape == (1, 1, 1)
    other = Mask.empty(Geometry((8, 6, 5), GRID.affine))
    ledger.accept("c", write_mask(other, tmp_path / "other.nii.gz"), {"reader": "bert"})
    with pytest.raises(Exception, match="the other reading"):
        SideBySide.of(ledger, readings_in(ledger, "c").records)
